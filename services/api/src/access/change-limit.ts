import { createDebts, DAY_MS, Refusal } from "@posthaste/domain";
import type { By, Principal } from "@posthaste/store";
import { TOKEN_SHARE } from "./places.ts";

const MB = 1_000_000;
/** In which the default limit frees as much as a change takes. */
const RETRY_AFTER_MS_MIN = 1_000;

/**
 * Counts what a change of a token stores.
 *
 * @param change.stops whether it only stops something: it counts, but is never refused
 * @throws Refusal `too_many`, with the time to wait
 */
export type ChangeLimit = (
  token: Pick<Principal, "accountId" | "tokenId" | "scopes">,
  change: { readonly bytes: number; readonly stops: boolean },
) => void;

/**
 * Limits what the changes of each account store in a day: their entries in the audit log, which are kept for
 * more than a year, and versions of event types. Bytes are counted, since changes differ a hundredfold in
 * size. An account may store as much at once as in a day; then it has room again as time passes.
 *
 * One token may use three quarters, so that neither a portal session nor a script that has run wild keeps the
 * account's other tokens from changing anything. What only stops something, such as a subscription or a
 * recovery, is never refused: whoever has to end harm must be able to. It counts for its token alone, or
 * cancelling many deliveries would keep the others out.
 *
 * Tokens with the scope `admin` are not limited: each page of a customer may have a portal link made, and who
 * may erase accounts need not fill the log to do harm.
 *
 * @param now milliseconds of a monotonic clock
 */
export function createChangeLimit(mbPerDay: number, now = () => performance.now()): ChangeLimit {
  const ofAccount = createPart("account", mbPerDay, now);
  const ofToken = createPart("token", mbPerDay * TOKEN_SHARE, now);
  return ({ accountId, tokenId, scopes }, { bytes, stops }) => {
    if (scopes.includes("admin")) return;
    if (!stops) {
      ofAccount.requireRoom(accountId);
      ofToken.requireRoom(tokenId);
    }
    if (!stops) ofAccount.add(accountId, bytes);
    ofToken.add(tokenId, bytes);
  };
}

/** Who changes something may store `mbPerDay`: each byte costs a part of a day, and at most a day is owed. */
function createPart(holder: "account" | "token", mbPerDay: number, now: () => number) {
  // What is added beyond the limit by a large change is forgiven: nobody waits for more than a day.
  const debts = createDebts<number>({ freeMs: 0, debtMsMax: 2 * DAY_MS, repaidIn: 1 }, now);
  const msPerByte = DAY_MS / (mbPerDay * MB);
  return {
    requireRoom(id: number): void {
      const waitMs = debts.of(id) - DAY_MS;
      if (waitMs < 0) return;
      throw new Refusal(
        "too_many",
        `the changes of this ${holder} have stored ${mbPerDay} MB within a day, its maximum; wait, change less often, or ask the operator for a higher limit`,
        {
          reason: "CHANGES_FULL",
          metadata: { holder, limit: String(mbPerDay) },
          retryAfterMs: Math.max(RETRY_AFTER_MS_MIN, Math.ceil(waitMs)),
        },
      );
    },
    add: (id: number, bytes: number) => void debts.charge(id, bytes * msPerByte),
  };
}

/** Returns a token as the one who makes the changes of a call, for the audit log. */
export function byToken(
  limit: ChangeLimit,
  token: Principal,
  { action, stops }: { readonly action: string; readonly stops: boolean },
): By {
  const { tokenId, accountId, name, hint } = token;
  return {
    actor: { tokenId, accountId, name, hint },
    action,
    charge: (bytes) => limit(token, { bytes, stops }),
  };
}
