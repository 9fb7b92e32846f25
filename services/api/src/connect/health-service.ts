import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { type Health, HealthCheckResponse_ServingStatus as Status } from "@posthaste/contracts/health";
import { Refusal } from "@posthaste/domain";
import { pingStore } from "@posthaste/store";
import type { Deps } from "../deps.ts";
import { SERVICES } from "./access.ts";

/** How often a watched status is looked at. */
const WATCH_INTERVAL_MS = 2_000;
/** Watchers stay; a place is free when one leaves. */
const WATCHES_RETRY_AFTER_MS = 30_000;

/** gRPC's health protocol: serving while the database answers. */
export function healthService({ store, limits }: Deps): ServiceImpl<typeof Health> {
  const known = new Set(["", ...SERVICES.map((service) => service.typeName as string)]);
  let watches = 0;
  const status = async () =>
    await pingStore(store).then(
      () => Status.SERVING,
      () => Status.NOT_SERVING,
    );
  return {
    async check({ service }) {
      if (!known.has(service)) throw new ConnectError("there is no such service", Code.NotFound);
      return { status: await status() };
    },
    async *watch({ service }, { signal }) {
      if (watches >= limits.POSTHASTE_WATCHES_MAX) {
        throw new Refusal("too_many", `${watches} statuses are watched; ask with Check, or try again later`, {
          retryAfterMs: WATCHES_RETRY_AFTER_MS,
        });
      }
      watches += 1;
      try {
        let last: Status | undefined;
        while (!signal.aborted) {
          const now = known.has(service) ? await status() : Status.SERVICE_UNKNOWN;
          if (now !== last) yield { status: now };
          last = now;
          await sleep(WATCH_INTERVAL_MS, undefined, { signal }).catch(() => {
            // The watcher left, or the server stops: the loop's condition sees it.
          });
        }
      } finally {
        watches -= 1;
      }
    },
    async list() {
      const now = await status();
      return { statuses: Object.fromEntries([...known].map((name) => [name, { status: now }])) };
    },
  };
}
