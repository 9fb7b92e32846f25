import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { InboxSchema, type InboxService } from "@posthaste/contracts/inbox";
import { Refusal } from "@posthaste/domain";
import type { Deps } from "../deps.ts";
import { inboxPath } from "../inbox/inbox-route.ts";
import type { Inbox, InboxRequest } from "../inbox/inboxes.ts";
import { callerOf } from "./interceptors.ts";

/** Told also where nothing comes, so that both sides see a dead connection. */
const HEARTBEAT_MS = 15_000;
/** Then the client comes back, and its token is looked at again. */
const STREAM_MAX_MS = 10 * 60_000;
/** Streams open at once, of all accounts: a few for each inbox that somebody looks at. */
const WATCHES_MAX = 50;
/** When there may be room again. */
const RETRY_AFTER_MS = 30_000;

export function inboxService({ inboxes }: Pick<Deps, "inboxes">): ServiceImpl<typeof InboxService> {
  let open = 0;
  const there = () => {
    if (inboxes !== null) return inboxes;
    throw new Refusal(
      "wrong_state",
      "this installation has no inboxes; its operator can set POSTHASTE_INBOX=on",
    );
  };
  return {
    async createInbox(_request, context) {
      return { inbox: inboxTo(there().create(callerOf(context).accountId)) };
    },

    async setInboxAnswer({ inboxId, status }, context) {
      const inbox = there().answer(callerOf(context).accountId, inboxId, status === 0 ? 200 : status);
      return { inbox: inboxTo(found(inbox, inboxId)) };
    },

    async *watchInbox({ inboxId, after }, context) {
      const { accountId } = callerOf(context);
      const kept = there();
      found(kept.get(accountId, inboxId), inboxId);
      if (open >= WATCHES_MAX) {
        throw new Refusal("too_many", `${open} streams are open, as many as may be; try again later`, {
          retryAfterMs: RETRY_AFTER_MS,
        });
      }
      open += 1;
      try {
        const endAt = performance.now() + STREAM_MAX_MS;
        let seen = Number(after);
        while (!context.signal.aborted && performance.now() < endAt) {
          const inbox = found(kept.get(accountId, inboxId), inboxId);
          const requests = kept.after(inboxId, seen);
          seen = requests.at(-1)?.number ?? seen;
          yield { inbox: inboxTo(inbox), requests: requests.map(requestTo) };
          await kept.next(inboxId, AbortSignal.any([context.signal, AbortSignal.timeout(HEARTBEAT_MS)]));
        }
      } finally {
        open -= 1;
      }
    },
  };
}

function inboxTo({ id, status, expiresAt }: Inbox) {
  return create(InboxSchema, { id, path: inboxPath(id), status, expiresAt: timestampFromMs(expiresAt) });
}

function requestTo(request: InboxRequest) {
  return {
    number: BigInt(request.number),
    receivedAt: timestampFromMs(request.receivedAt),
    method: request.method,
    headers: request.headers.map(([name, value]) => ({ name, value })),
    body: request.body as Uint8Array<ArrayBuffer>,
    truncated: request.truncated,
    status: request.status,
  };
}

function found(inbox: Inbox | undefined, id: string): Inbox {
  if (inbox !== undefined) return inbox;
  throw new Refusal("not_found", `this account has no inbox ${JSON.stringify(id)}`, { field: "inbox_id" });
}
