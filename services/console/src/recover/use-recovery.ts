import { useMutation, useQuery } from "@connectrpc/connect-query";
import { DeliveryService, type Recovery, RecoveryState } from "@posthaste/contracts/delivery";
import { useEffect, useRef } from "react";
import { recoverRequestOf, replayRequestOf, type Selection } from "./selection.ts";

const { recoverDeliveries, replayEvents, getRecovery, cancelRecovery } = DeliveryService.method;
const EVERY_MS = 500;
/** The rate of a count has no effect: it sends nothing. */
const COUNT_RATE = 1_000;

/** Follows a recovery until it ends. */
export function useRecovery(id: number | undefined): Recovery | undefined {
  const { data } = useQuery(
    getRecovery,
    { id: id ?? 0 },
    {
      enabled: id !== undefined,
      refetchInterval: ({ state }) => (isOpen(state.data?.recovery) ? EVERY_MS : false),
    },
  );
  return data?.recovery;
}

/** Returns whether a recovery has not ended. One that is not known yet has not. */
export function isOpen(recovery: Recovery | undefined): boolean {
  const state = recovery?.state ?? RecoveryState.RUNNING;
  return state === RecoveryState.RUNNING || state === RecoveryState.PAUSED;
}

/** Starts the recovery or replay of a selection. */
export function useStart(selection: Selection) {
  const recover = useMutation(recoverDeliveries);
  const replay = useMutation(replayEvents);
  const { data, error, isPending } = selection.kind === "recover" ? recover : replay;
  const start = (ratePerSecond: number, dryRun: boolean) => {
    if (selection.kind === "recover")
      recover.mutate({ ...recoverRequestOf(selection, ratePerSecond), dryRun });
    else replay.mutate({ ...replayRequestOf(selection, ratePerSecond), dryRun });
  };
  return { started: data?.recovery, error, isPending, start };
}

/** Counts what a selection has, by a dry run that begins with the first render and is cancelled with it. */
export function useCount(selection: Selection): { count: Recovery | undefined; error: unknown } {
  const { started, error, start } = useStart(selection);
  const { mutate: cancel } = useMutation(cancelRecovery);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a selection is counted once
  useEffect(() => start(COUNT_RATE, true), []);
  const id = started?.id;
  const count = useRecovery(id);
  const running = useRef<number>(undefined);
  useEffect(() => {
    running.current = isOpen(count) ? id : undefined;
  }, [count, id]);
  useEffect(
    () => () => {
      if (running.current !== undefined) cancel({ id: running.current });
    },
    [cancel],
  );
  return { count, error };
}
