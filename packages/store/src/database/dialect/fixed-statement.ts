/**
 * Statements whose text is the same each time they run, and whose parameters may travel in binary: a database may keep
 * them prepared. Others may not be: MySQL prepares a limit or an IN list of any length anew each time, and takes a number for
 * a double, which it compares with in other ways than with what is written out.
 */
const fixed = new Set<string>();

/** Declares a statement to be one. As many as are written in the code, not as many as there are calls. */
export function fixedStatement(text: string): string {
  fixed.add(text);
  return text;
}

export function isFixedStatement(text: string): boolean {
  return fixed.has(text);
}
