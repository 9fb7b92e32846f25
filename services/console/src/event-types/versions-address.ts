/** Two versions of an event type that are compared. */
export type Compared = { readonly from: number; readonly to: number };

/** Reads which versions are compared. Default: the latest with the one before. */
export function readVersions(search: string, latest: number): Compared {
  const params = new URLSearchParams(search);
  const read = (name: string, otherwise: number) => {
    const version = Number(params.get(name) ?? otherwise);
    return Number.isInteger(version) && version >= 1 && version <= latest ? version : otherwise;
  };
  return { from: read("from", Math.max(1, latest - 1)), to: read("to", latest) };
}

export function addressOfVersions(code: string, { from, to }: Compared): string {
  return `/event-types/${code}/versions?from=${from}&to=${to}`;
}
