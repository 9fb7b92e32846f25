/** Who sends events. Each has numbers of its own, so that what one does never shifts another's. */
const SENDERS = ["good", "hostile", "fan-out", "erasure"] as const;
export type Sender = (typeof SENDERS)[number];

const NUMBERS_EACH = 1_000_000;

/** Returns the number of a sender's first event. */
export function firstOf(sender: Sender): number {
  return SENDERS.indexOf(sender) * NUMBERS_EACH;
}

/** Returns the snapshot that event number `n` is sent with. */
export function snapshotOf(n: number): string {
  return `{"n":${n},"Notes":"chaos é ${"x".repeat(n % 50)}"}`;
}
