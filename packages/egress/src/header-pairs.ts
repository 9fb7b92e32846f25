/** Returns pairs of a lower-case name and a value, in the order of the HTTP parser's raw list. */
export function headerPairs(raw: readonly (Buffer | string)[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [name, value] = [raw[i], raw[i + 1]];
    if (name === undefined || value === undefined) continue;
    pairs.push([latin1(name).toLowerCase(), latin1(value)]);
  }
  return pairs;
}

/** Header bytes outside ASCII have no charset (RFC 9110, section 5.5); latin1 keeps every byte. */
function latin1(value: Buffer | string): string {
  return typeof value === "string" ? value : value.toString("latin1");
}
