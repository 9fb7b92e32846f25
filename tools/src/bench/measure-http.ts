import autocannon from "autocannon";

/** Calls made one after another on each of several connections, for a bounded time. */
export type Load = {
  readonly url: string;
  readonly token: string;
  /** Makes the body of each call. */
  readonly body: () => string;
  readonly connections: number;
  readonly seconds: number;
};

/** How many calls were answered with 200 a second, and how long they took. */
export type LoadResult = { readonly perSecond: number; readonly p50Ms: number; readonly p99Ms: number };

/** @throws Error where a call was not answered with 200: a benchmark of errors says nothing */
export async function measureHttp({ url, token, body, connections, seconds }: Load): Promise<LoadResult> {
  const result = await autocannon({
    url,
    connections,
    duration: seconds,
    requests: [
      {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        setupRequest: (request) => ({ ...request, body: body() }),
      },
    ],
  });
  if (result.errors + result.timeouts + result.non2xx > 0) {
    throw new Error(`${url}: ${result.errors} errors, ${result.timeouts} timeouts, ${result.non2xx} not 200`);
  }
  return {
    perSecond: result["2xx"] / result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
  };
}
