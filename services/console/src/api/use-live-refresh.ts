import type { DescMethodUnary } from "@bufbuild/protobuf";
import { createConnectQueryKey } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useWatch } from "./use-watch.tsx";

/** How often to poll while the stream is open, for what changes with time alone. */
const LIVE_EVERY_MS = 60_000;
/** How often to poll while no stream is open. */
const NOT_LIVE_EVERY_MS = 10_000;

/**
 * Fetches queries again soon after any delivery changes, but at most once in `everyMs`, however many change.
 *
 * @returns the interval at which the queries should be polled besides
 */
export function useLiveRefresh(methods: readonly DescMethodUnary[], everyMs: number): number {
  const queries = useQueryClient();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const status = useWatch(() => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      for (const schema of methods) {
        // Pages that are loaded one after another, too.
        const queryKey = createConnectQueryKey({ schema, cardinality: undefined });
        void queries.invalidateQueries({ queryKey });
      }
    }, everyMs);
  });
  return status === "live" ? LIVE_EVERY_MS : NOT_LIVE_EVERY_MS;
}
