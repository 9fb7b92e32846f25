const CELL_CHARS = 12;

/** Formats rows of a name and cells as a table for a terminal: names on the left, cells on the right. */
export function textTable(rows: readonly (readonly [string, ...string[]])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows
    .map(
      ([name, ...cells]) => `${name.padEnd(width)}${cells.map((cell) => cell.padStart(CELL_CHARS)).join("")}`,
    )
    .join("\n");
}
