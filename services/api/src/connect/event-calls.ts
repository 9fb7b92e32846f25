import type { ServiceImpl } from "@connectrpc/connect";
import type { DeliveryService, ListEventsRequest } from "@posthaste/contracts/delivery";
import { type AccountId, decodePageToken, type EventId, Refusal, readKeyValues } from "@posthaste/domain";
import {
  getEvent,
  hashKeyValues,
  indexedValues,
  listEvents,
  type Store,
  type StoredEvent,
} from "@posthaste/store";
import type { Deps } from "../deps.ts";
import { callerOf, turnOf } from "./call-values.ts";
import { eventSummaryTo, eventTo } from "./convert.ts";
import { partialPage } from "./page.ts";
import { pointInTime } from "./point-in-time.ts";

/** The calls that read events. */
export function eventCalls({
  store,
  catalog,
}: Pick<Deps, "store" | "catalog">): Pick<ServiceImpl<typeof DeliveryService>, "getEvent" | "listEvents"> {
  return {
    async getEvent(request, context) {
      const { accountId } = callerOf(context);
      const event = await eventNamed(store, accountId, request.id, "id");
      const { keys } = (await catalog.find(accountId, event.eventType)) ?? { keys: [] };
      if (keys.length === 0) return eventTo(event, []);
      await turnOf(context)(event.data.byteLength);
      const values = readKeyValues(Buffer.from(event.data).toString("utf8"), keys);
      return eventTo(event, await indexedValues(store, { accountId, id: event.id, values }));
    },

    async listEvents(request, context) {
      const filter = await filterOf(store, callerOf(context).accountId, request);
      const { rows, nextPageToken } = await partialPage(request, (limit) =>
        listEvents(store, { ...filter, limit }),
      );
      return { events: rows.map(eventSummaryTo), nextPageToken };
    },
  };
}

/** @throws Refusal `not_found` */
export async function eventNamed(
  store: Store,
  accountId: AccountId,
  id: string,
  field: string,
): Promise<StoredEvent> {
  const event = await getEvent(store, { accountId, id: id as EventId });
  if (event !== undefined) return event;
  throw new Refusal("not_found", `this account has no event ${JSON.stringify(id)}`, { field });
}

async function filterOf(store: Store, accountId: AccountId, request: ListEventsRequest) {
  const { eventType, createdFrom, createdBefore, keyValue, idempotencyKey, pageToken } = request;
  return {
    accountId,
    ...(eventType === "" ? {} : { eventType }),
    ...(createdFrom === undefined ? {} : { createdFrom: pointInTime(createdFrom, "created_from") }),
    ...(createdBefore === undefined ? {} : { createdBefore: pointInTime(createdBefore, "created_before") }),
    ...(keyValue === "" ? {} : { keyHashes: await hashesFor(store, accountId, keyValue) }),
    ...(idempotencyKey === "" ? {} : { idempotencyKey }),
    ...(pageToken === "" ? {} : { before: decodePageToken(pageToken, "string") as EventId }),
  };
}

/** Returns the hashes of a value at any key: the caller need not know whether one is sensitive. */
async function hashesFor(store: Store, accountId: AccountId, value: string): Promise<Buffer[]> {
  const values = [false, true].map((sensitive) => ({ value, sensitive }));
  return await hashKeyValues(store, accountId, values);
}
