import { decodePageToken, encodePageToken, PAGE_SIZE_DEFAULT, type PageKey } from "@posthaste/domain";
import { encodedSize } from "./encoded-size.ts";

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

/**
 * The encoded bytes of a page, at most: gRPC clients refuse a message of 4 MiB and more, unless they are told
 * otherwise.
 */
const PAGE_BYTES_MAX = 4_000_000;
/** Rows that are read at once for such a page, of which those that do not fit are read in vain. */
const ROWS_AT_ONCE = 100;

/**
 * Reads one page of messages in ascending order of their number, which ends before it has too many bytes. It
 * has one at least.
 */
export async function sizedPage<M extends { readonly id: number }>(
  request: PageRequest,
  list: (page: { after?: number; limit: number }) => Promise<M[]>,
): Promise<{ rows: M[]; nextPageToken: string }> {
  const { pageToken } = request;
  const after = pageToken === "" ? undefined : (decodePageToken(pageToken, "number") as number);
  return await partialPage(request, async (limit) => {
    const rows: M[] = [];
    let bytes = 0;
    for (;;) {
      const last = rows.at(-1)?.id ?? after;
      const atOnce = Math.min(ROWS_AT_ONCE, limit - rows.length);
      const read = await list({ ...(last === undefined ? {} : { after: last }), limit: atOnce });
      for (const row of read) {
        bytes += encodedSize(row);
        if (bytes > PAGE_BYTES_MAX && rows.length > 0) return { rows, examinedTo: rows.at(-1)?.id };
        rows.push(row);
      }
      if (read.length < atOnce || rows.length === limit) return { rows, examinedTo: undefined };
    }
  });
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
