import { type LeftOut, LeftOutReason } from "@posthaste/contracts/delivery";
import { whole } from "../parts/numbers.ts";

const REASONS = {
  [LeftOutReason.UNSPECIFIED]: "for another reason",
  [LeftOutReason.ALREADY_SENT]: "sent again before, or still open",
  [LeftOutReason.ACCEPTED]: "accepted after they were cancelled",
  [LeftOutReason.DUE]: "due or in progress",
  [LeftOutReason.SUBSCRIPTION_ENDED]: "of a subscription that has ended",
  [LeftOutReason.TEST]: "test events",
  [LeftOutReason.EVENT_DELETED]: "whose event is no longer stored",
  [LeftOutReason.TOO_OFTEN]: "sent as often as they may be",
} as const satisfies Record<LeftOutReason, string>;

/**
 * Says why a recovery left something out, the most frequent reason first. Empty: it left out nothing.
 *
 * @param total all that were left out: an earlier release did not note its reasons
 */
export function whyLeftOut(leftOutBy: readonly LeftOut[], total: bigint): string {
  const known = leftOutBy.reduce((sum, { count }) => sum + count, 0n);
  const rest = total - known;
  const all = [...leftOutBy, ...(rest > 0n ? [{ reason: LeftOutReason.UNSPECIFIED, count: rest }] : [])];
  all.sort((one, other) => Number(other.count - one.count));
  return all.map(({ reason, count }) => `${whole(count)} ${REASONS[reason]}`).join(", ");
}
