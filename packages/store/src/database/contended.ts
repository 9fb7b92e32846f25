/** Thrown inside a transaction to roll it back and run it again: another transaction came first. */
export class Contended extends Error {
  override readonly name: string = "Contended";
}

/**
 * Another transaction holds a row that this one needs. Its process may be suspended, and then holds it until
 * the database ends its session. So nobody waits for the row with a connection in hand.
 */
export class Held extends Contended {
  override readonly name = "Held";
}
