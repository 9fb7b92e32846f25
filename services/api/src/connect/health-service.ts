import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceImpl } from "@connectrpc/connect";
import { type Health, HealthCheckResponse_ServingStatus as Status } from "@posthaste/contracts/health";
import { Refusal } from "@posthaste/domain";
import { isDatabaseAway } from "@posthaste/store";
import { STREAM_HEARTBEAT_MS, STREAM_MAX_MS } from "../access/stream-gate.ts";
import type { Deps } from "../deps.ts";
import { SERVICES } from "./access.ts";
import { LINE } from "./call-values.ts";

/** How often a watched status is polled. */
const WATCH_INTERVAL_MS = 2_000;

/**
 * Implements gRPC's health protocol: SERVING while the database answers. A watched status is repeated as
 * often as other streams send something, and ends like these; its clients watch again.
 */
export function healthService({
  store,
  streamGates,
}: Pick<Deps, "store" | "streamGates">): ServiceImpl<typeof Health> {
  const known = new Set(["", ...SERVICES.map((service) => service.typeName as string)]);
  const status = async () => ((await isDatabaseAway(store)) ? Status.NOT_SERVING : Status.SERVING);
  async function* statusesOf(service: string, signal: AbortSignal) {
    const endAt = performance.now() + STREAM_MAX_MS;
    let last: { readonly status: Status; readonly sentAt: number } | undefined;
    while (!signal.aborted && performance.now() < endAt) {
      const now = known.has(service) ? await status() : Status.SERVICE_UNKNOWN;
      const isDue = last === undefined || performance.now() - last.sentAt >= STREAM_HEARTBEAT_MS;
      if (isDue || now !== last?.status) {
        last = { status: now, sentAt: performance.now() };
        yield { status: now };
      }
      await sleep(WATCH_INTERVAL_MS, undefined, { signal }).catch(() => {
        // The client left or the server is stopping; the loop's condition ends the stream.
      });
    }
  }
  return {
    async check({ service }) {
      if (!known.has(service)) throw new Refusal("not_found", "unknown service", { field: "service" });
      return { status: await status() };
    },
    watch: ({ service }, { signal, values }) =>
      streamGates.health.pass(values.get(LINE), statusesOf(service, signal)),
    async list() {
      const now = await status();
      return { statuses: Object.fromEntries([...known].map((name) => [name, { status: now }])) };
    },
  };
}
