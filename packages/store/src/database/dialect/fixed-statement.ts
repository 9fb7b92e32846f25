/**
 * Statements whose text never changes and whose parameters may be sent in binary: a database may keep them
 * prepared. No other statement may be prepared. MySQL would prepare it again for each limit and each length
 * of an IN list, and it takes a bound number for a double, which compares differently from a number written
 * out.
 */
const fixed = new Set<string>();

/**
 * Declares a statement fixed. Only for texts that the code writes: their number must not grow with the calls.
 */
export function fixedStatement(text: string): string {
  fixed.add(text);
  return text;
}

export function isFixedStatement(text: string): boolean {
  return fixed.has(text);
}
