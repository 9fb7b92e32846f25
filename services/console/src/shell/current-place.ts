/** Returns the path of the place that a page belongs to: of those that it is or is under, the longest. */
export function currentPlace(paths: readonly string[], location: string): string | undefined {
  const above = paths.filter((path) => location === path || location.startsWith(`${path}/`));
  return above.toSorted((one, other) => one.length - other.length).at(-1);
}
