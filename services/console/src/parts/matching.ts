/** An option of a list that can be searched. `about` tells those with similar names apart. */
export type SearchOption = { readonly id: string; readonly name: string; readonly about: string };

/** Returns the options that contain every word of a query, in any order and in either case. */
export function matching(options: readonly SearchOption[], query: string): readonly SearchOption[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return options;
  return options.filter(({ name, about }) => {
    const text = `${name} ${about}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
