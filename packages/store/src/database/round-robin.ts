/** Yields the first item of each list, then the second of each, and so on. */
export function* roundRobin<T>(lists: readonly (readonly T[])[]): Generator<T, void> {
  const most = lists.reduce((length, list) => Math.max(length, list.length), 0);
  for (let i = 0; i < most; i++) {
    for (const list of lists) if (i < list.length) yield list[i] as T;
  }
}
