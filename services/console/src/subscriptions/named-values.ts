/** A row of a form: a name with its value, such as a custom header or an entry of the metadata. */
export type NamedValue = {
  /** Tells rows apart while their names change. */
  readonly key: number;
  readonly name: string;
  /** If `isStored`, empty means unchanged. */
  readonly value: string;
  /** Whether the API has a value by this name that it never shows. */
  readonly isStored: boolean;
};

let lastKey = 0;

export function newRow(name = "", value = "", isStored = false): NamedValue {
  lastKey += 1;
  return { key: lastKey, name, value, isStored };
}

/** Returns the rows for values that are shown, such as metadata, in alphabetical order. */
export function rowsOfValues(values: Readonly<Record<string, string>>): NamedValue[] {
  return Object.entries(values)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => newRow(name, value));
}

/** Returns the values by name. Rows without a name and a value are left out. */
export function valuesOf(rows: readonly NamedValue[]): Record<string, string> {
  return Object.fromEntries(filled(rows).map(({ name, value }) => [name.trim(), value]));
}

/**
 * Returns what rows change about headers whose values nobody can read.
 *
 * @param stored the names of the headers that the subscription has
 * @returns undefined: nothing
 */
export function headerChangesOf(
  rows: readonly NamedValue[],
  stored: readonly string[],
): { set: Record<string, string>; remove: string[] } | undefined {
  const set = valuesOf(rows.filter(({ isStored, value }) => !isStored || value !== ""));
  const kept = new Set(rows.filter(({ isStored }) => isStored).map(({ name }) => name));
  const remove = stored.filter((name) => !kept.has(name));
  return Object.keys(set).length === 0 && remove.length === 0 ? undefined : { set, remove };
}

/**
 * Returns what is wrong with the names of rows; empty: nothing.
 *
 * @param what a row is, such as `header`
 * @param sameIf returns what makes two names the same. Default: each of their characters
 */
export function problemOfNames(
  rows: readonly NamedValue[],
  what: string,
  sameIf: (name: string) => string = (name) => name,
): string {
  const names = new Set<string>();
  for (const { name: written } of filled(rows)) {
    const name = written.trim();
    if (name === "") return `Enter the name of the ${what}, or remove its row.`;
    if (names.has(sameIf(name))) return `The ${what} ${name} is there twice. Remove one of them.`;
    names.add(sameIf(name));
  }
  return "";
}

const filled = (rows: readonly NamedValue[]) => rows.filter(({ name, value }) => name + value !== "");
