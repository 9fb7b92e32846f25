import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { afterEach, expect, test, vi } from "vitest";
import { listen } from "../src/listen.ts";

/** Node publishes each request here as it arrives. */
const ARRIVALS = "http.server.request.start";

let stop: (() => Promise<void>) | undefined;
afterEach(async () => await stop?.());

test("fifty probes at once, each over a connection of its own, share one look at what is away", async () => {
  const probes = 50;
  const isLookedAt = Promise.withResolvers<void>();
  const whyAway = vi.fn(async () => {
    await isLookedAt.promise;
    return { database: undefined, temporal: "silent" };
  });
  const rest = { onNudge: () => {}, metrics: async () => "", whyAway };
  const worker = await listen({ host: "127.0.0.1", port: 0, ...rest });
  stop = worker.stop;
  const connections = new Set<unknown>();
  const arrive = (message: unknown) => {
    const { request, socket } = message as { request: { headers: { host: string } }; socket: unknown };
    if (worker.url.endsWith(request.headers.host)) connections.add(socket);
  };
  subscribe(ARRIVALS, arrive);
  try {
    const answers = Array.from({ length: probes }, () => fetch(`${worker.url}/readyz`));
    await expect.poll(() => connections.size).toBe(probes);
    isLookedAt.resolve();
    for (const answer of answers) expect((await answer).status).toBe(503);
    expect(whyAway).toHaveBeenCalledTimes(1);
    await fetch(`${worker.url}/readyz`);
    expect(whyAway).toHaveBeenCalledTimes(2);
  } finally {
    unsubscribe(ARRIVALS, arrive);
  }
});
