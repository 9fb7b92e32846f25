/** The least that a part of the product could be, measured alone on the same machine. */
export type Yardstick = {
  readonly name: string;
  /** Measures for a bounded time. */
  perSecond(): Promise<number>;
};
