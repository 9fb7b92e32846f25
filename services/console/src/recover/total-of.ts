import { type Recovery, RecoveryState } from "@posthaste/contracts/delivery";

/**
 * Returns how many a recovery will examine, as a completed count of the same ones says. Undefined: none of
 * `all` is one.
 */
export function totalOf(recovery: Recovery, all: readonly Recovery[]): bigint | undefined {
  const wanted = whatOf(recovery);
  const isSame = (one: Recovery) =>
    one.dryRun && one.state === RecoveryState.COMPLETED && whatOf(one) === wanted;
  return all.find(isSame)?.examined;
}

/** Returns what a recovery is for. The end of its range is left out, since it is now by default. */
function whatOf(recovery: Recovery): string {
  const { kind, subscriptionId, since, states, eventTypes, outcomes, statuses, attemptsMin, eventId } =
    recovery;
  const from = since === undefined ? [] : [String(since.seconds), since.nanos];
  return JSON.stringify([
    kind,
    subscriptionId,
    from,
    states,
    eventTypes,
    outcomes,
    statuses,
    attemptsMin,
    eventId,
  ]);
}
