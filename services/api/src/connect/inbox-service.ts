import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { InboxSchema, type InboxService } from "@posthaste/contracts/inbox";
import { MINUTE_MS, Refusal } from "@posthaste/domain";
import type { Deps } from "../deps.ts";
import { inboxPath } from "../inbox/inbox-route.ts";
import type { Inbox, InboxRequest } from "../inbox/inboxes.ts";
import { callerOf } from "./interceptors.ts";

/** An empty answer this often lets both sides notice a dead connection. */
const HEARTBEAT_MS = 15_000;
/** After this the client reconnects, and its token is checked again. */
const STREAM_MAX_MS = 10 * MINUTE_MS;
/** Maximum open streams, for all accounts together: a few for each inbox that is being watched. */
const WATCHES_MAX = 50;
/** `Retry-After` if too many streams are open. */
const RETRY_AFTER_MS = 30_000;

export function inboxService({ inboxes }: Pick<Deps, "inboxes">): ServiceImpl<typeof InboxService> {
  let open = 0;
  const requireInboxes = () => {
    if (inboxes !== null) return inboxes;
    throw new Refusal(
      "wrong_state",
      "inboxes are disabled on this installation; its operator can set POSTHASTE_INBOX=on",
    );
  };
  return {
    async createInbox(_request, context) {
      return { inbox: inboxTo(requireInboxes().create(callerOf(context).accountId)) };
    },

    async setInboxAnswer({ inboxId, status }, context) {
      const inbox = requireInboxes().answer(
        callerOf(context).accountId,
        inboxId,
        status === 0 ? 200 : status,
      );
      return { inbox: inboxTo(found(inbox, inboxId)) };
    },

    async *watchInbox({ inboxId, after }, context) {
      const { accountId } = callerOf(context);
      const all = requireInboxes();
      found(all.get(accountId, inboxId), inboxId);
      if (open >= WATCHES_MAX) {
        throw new Refusal("too_many", `${open} streams are open, the maximum; try again later`, {
          retryAfterMs: RETRY_AFTER_MS,
        });
      }
      open += 1;
      try {
        const endAt = performance.now() + STREAM_MAX_MS;
        let seen = Number(after);
        while (!context.signal.aborted && performance.now() < endAt) {
          const inbox = found(all.get(accountId, inboxId), inboxId);
          const requests = all.after(inboxId, seen);
          seen = requests.at(-1)?.number ?? seen;
          yield { inbox: inboxTo(inbox), requests: requests.map(requestTo) };
          await all.next(inboxId, AbortSignal.any([context.signal, AbortSignal.timeout(HEARTBEAT_MS)]));
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
