import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { type Health, HealthCheckResponse_ServingStatus as Status } from "@posthaste/contracts/health";
import { isDatabaseAway } from "@posthaste/store";
import type { Deps } from "../deps.ts";
import { SERVICES } from "./access.ts";

/** How often a watched status is polled. */
const WATCH_INTERVAL_MS = 2_000;

/** Implements gRPC's health protocol: SERVING while the database answers. */
export function healthService({ store }: Pick<Deps, "store">): ServiceImpl<typeof Health> {
  const known = new Set(["", ...SERVICES.map((service) => service.typeName as string)]);
  const status = async () => ((await isDatabaseAway(store)) ? Status.NOT_SERVING : Status.SERVING);
  return {
    async check({ service }) {
      if (!known.has(service)) throw new ConnectError("unknown service", Code.NotFound);
      return { status: await status() };
    },
    async *watch({ service }, { signal }) {
      let last: Status | undefined;
      while (!signal.aborted) {
        const now = known.has(service) ? await status() : Status.SERVICE_UNKNOWN;
        if (now !== last) yield { status: now };
        last = now;
        await sleep(WATCH_INTERVAL_MS, undefined, { signal }).catch(() => {
          // The client left or the server is stopping; the loop's condition ends the stream.
        });
      }
    },
    async list() {
      const now = await status();
      return { statuses: Object.fromEntries([...known].map((name) => [name, { status: now }])) };
    },
  };
}
