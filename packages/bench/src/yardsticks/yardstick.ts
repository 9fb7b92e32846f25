/** The simplest form of a part of the product, measured alone on the same machine. */
export type Yardstick = {
  readonly name: string;
  /** The names of its parts, if it has any; their rates are shown beside it. */
  readonly partNames?: readonly string[];
  /**
   * Measures for a bounded time.
   *
   * @returns its rate, then those of its parts
   */
  perSecond(): Promise<readonly [number, ...number[]]>;
};
