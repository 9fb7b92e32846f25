/** placeholder */
export function schemaBreaks(_before: unknown, _after: unknown): string[] {
  return [];
}
