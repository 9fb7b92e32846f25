import { decodePageToken, encodePageToken, PAGE_SIZE_DEFAULT, type PageKey } from "@posthaste/domain";

type PageRequest = { readonly pageSize: number; readonly pageToken: string };

/** Reads one page of rows in ascending order of their number. */
export async function numberPage<R extends { readonly id: number }>(
  request: PageRequest,
  list: (page: { after?: R["id"]; limit: number }) => Promise<R[]>,
): Promise<{ rows: R[]; nextPageToken: string }> {
  const { pageToken } = request;
  const after = pageToken === "" ? {} : { after: decodePageToken(pageToken, "number") as R["id"] };
  return await page(request, (limit) => list({ ...after, limit }));
}

/** Reads one page, plus one row to learn whether another page follows. */
export async function page<R extends { readonly id: PageKey }>(
  request: PageRequest,
  list: (limit: number) => Promise<R[]>,
): Promise<{ rows: R[]; nextPageToken: string }> {
  const size = request.pageSize === 0 ? PAGE_SIZE_DEFAULT : request.pageSize;
  const rows = await list(size + 1);
  const last = rows[size - 1];
  if (rows.length <= size || last === undefined) return { rows, nextPageToken: "" };
  return { rows: rows.slice(0, size), nextPageToken: encodePageToken(last.id) };
}

/**
 * Reads one page of a search that may stop before the page is full. The next page resumes where it stopped.
 */
export async function partialPage<R extends { readonly id: PageKey }>(
  request: PageRequest,
  search: (limit: number) => Promise<{ rows: R[]; examinedTo: PageKey | undefined }>,
): Promise<{ rows: R[]; nextPageToken: string }> {
  let examinedTo: PageKey | undefined;
  const full = await page(request, async (limit) => {
    const found = await search(limit);
    examinedTo = found.examinedTo;
    return found.rows;
  });
  if (full.nextPageToken !== "" || examinedTo === undefined) return full;
  return { rows: full.rows, nextPageToken: encodePageToken(examinedTo) };
}
