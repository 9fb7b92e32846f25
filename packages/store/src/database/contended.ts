/** Thrown inside a transaction to roll it back and run it again: another transaction came first. */
export class Contended extends Error {
  override readonly name = "Contended";
}
