import { Refusal } from "@posthaste/domain";
import type { Principal } from "@posthaste/store";
import type { RequestLine } from "../http/request-line.ts";
import { type Access, type Authenticate, requireScope } from "./auth.ts";
import type { LastCallers } from "./last-callers.ts";
import type { LoopTurns } from "./loop-turns.ts";
import type { Places } from "./places.ts";
import type { RateLimit } from "./rate-limit.ts";

/** The dependencies of {@link admit}. */
export type AdmitParts = {
  readonly authenticate: Authenticate;
  readonly rateLimit: RateLimit;
  /** The places of requests in flight. */
  readonly requestPlaces: Places;
  readonly lastCallers: LastCallers;
  readonly loopTurns: LoopTurns;
};

/**
 * Admits a request before its body is read: looks its token up, takes one of its account's places until the
 * request is over, in exchange for the one it came with, and checks its rate and scope.
 *
 * @throws Refusal `unauthenticated`, `too_many` or `forbidden`
 */
export async function admit(
  { authenticate, rateLimit, requestPlaces, lastCallers, loopTurns }: AdmitParts,
  authorization: string | null | undefined,
  access: Exclude<Access, "public">,
  line: RequestLine,
): Promise<Principal> {
  // The look-up takes several turns of the event loop, which its account may need.
  const probably = lastCallers.of(authorization);
  const lookedUp = probably === undefined ? () => {} : loopTurns.begin(probably);
  const principal = await authenticate(authorization)
    .catch((error: unknown) => {
      // Else a revoked token in constant use would stay in front of its account's own.
      if (error instanceof Refusal) lastCallers.forget(authorization);
      throw error;
    })
    .finally(lookedUp);
  lastCallers.note(authorization, principal.accountId);
  line.accountId = principal.accountId;
  line.whenOver(requestPlaces.take(principal));
  line.whenOver(loopTurns.begin(principal.accountId));
  line.leavePlace?.();
  await rateLimit(principal);
  if (access !== "any") requireScope(principal, access);
  return principal;
}
