import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { InboxSchema, type InboxService } from "@posthaste/contracts/inbox";
import { type AccountId, Refusal } from "@posthaste/domain";
import { STREAM_HEARTBEAT_MS, STREAM_MAX_MS } from "../access/stream-gate.ts";
import type { Deps } from "../deps.ts";
import { inboxPath } from "../inbox/inbox-route.ts";
import type { Inbox, Inboxes, InboxRequest } from "../inbox/inboxes.ts";
import { callerOf } from "./call-values.ts";

export function inboxService({
  inboxes,
  streamGates,
}: Pick<Deps, "inboxes" | "streamGates">): ServiceImpl<typeof InboxService> {
  const requireInboxes = () => {
    if (inboxes !== null) return inboxes;
    throw new Refusal(
      "wrong_state",
      "inboxes are disabled on this installation; its operator can set POSTHASTE_INBOX=on",
      { reason: "INBOXES_DISABLED" },
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
      const { accountId, token } = callerOf(context);
      const watched = { accountId, inboxId, after: Number(after) };
      yield* streamGates.inboxes.pass(token, requestsOf(requireInboxes(), watched, context.signal));
    },
  };
}

async function* requestsOf(
  inboxes: Inboxes,
  { accountId, inboxId, after }: { accountId: AccountId; inboxId: string; after: number },
  signal: AbortSignal,
) {
  const endAt = performance.now() + STREAM_MAX_MS;
  let seen = after;
  while (!signal.aborted && performance.now() < endAt) {
    const inbox = found(inboxes.get(accountId, inboxId), inboxId);
    const requests = inboxes.after(inboxId, seen);
    seen = requests.at(-1)?.number ?? seen;
    yield { inbox: inboxTo(inbox), requests: requests.map(requestTo) };
    await inboxes.next(inboxId, seen, AbortSignal.any([signal, AbortSignal.timeout(STREAM_HEARTBEAT_MS)]));
  }
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
