/**
 * Maps names of the vocabulary to the values of a contract's enum. Its names are the same in upper case,
 * which the types check.
 */
export function enumOf<Name extends string, Value extends number>(
  names: readonly Name[],
  contract: Readonly<Record<Uppercase<Name>, Value>>,
): Readonly<Record<Name, Value>> {
  const entries = names.map((name) => [name, contract[name.toUpperCase() as Uppercase<Name>]]);
  return Object.fromEntries(entries) as Record<Name, Value>;
}

/** Returns the name of an enum's value; undefined for the unspecified value. */
export function nameOf<Name extends string, Value extends number>(
  table: Readonly<Record<Name, Value>>,
  value: Value,
): Name | undefined {
  return (Object.keys(table) as Name[]).find((name) => table[name] === value);
}
