/** The least that a part of the product could be, measured alone on the same machine. */
export type Yardstick = {
  readonly name: string;
  /** What it is put together from, where it is: shown beside it. */
  readonly partNames?: readonly string[];
  /** Measures for a bounded time. @returns its rate, then those of its parts */
  perSecond(): Promise<readonly [number, ...number[]]>;
};
