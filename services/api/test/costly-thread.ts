/*
 * A thread as a fault in Posthaste or in a library would make it: what no schema is known to do. A run's
 * sample says what becomes of it.
 */
const ENDS: Readonly<Record<string, () => void>> = {
  never: () => {
    for (;;);
  },
  late: () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  "out of memory": () => {
    const kept: number[][] = [];
    for (;;) kept.push(Array.from({ length: 10_000 }, (_item, i) => i));
  },
  "with its thread": () => process.exit(3),
  "with an error": () => {
    throw new Error("a fault");
  },
  well: () => {},
};

export function run({ sampleJson }: { sampleJson: string }) {
  ENDS[sampleJson]?.();
  return { value: undefined };
}
