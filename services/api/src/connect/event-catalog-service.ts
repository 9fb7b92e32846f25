import type { ServiceImpl } from "@connectrpc/connect";
import type { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { Refusal } from "@posthaste/domain";
import { setSchemaCheck } from "@posthaste/store";
import {
  type CatalogEditor,
  defineEventType,
  redefineEventType,
  retireEventType,
} from "../catalog/define-event-type.ts";
import { requireEventType } from "../catalog/require-event-type.ts";
import { byOf, callerOf, OVER, turnOf } from "./call-values.ts";
import { eventTypeTo, keyFrom, schemaCheckFrom, schemaCheckTo } from "./convert-event-type.ts";

export function eventCatalogService(editor: CatalogEditor): ServiceImpl<typeof EventCatalogService> {
  const { catalog, store, now } = editor;
  return {
    async listEventTypes({ includeArchived }, context) {
      const { accountId, token } = callerOf(context);
      const reading = { turn: turnOf(context), chargedTo: token.accountId };
      const all = await catalog.allWithTexts(accountId, reading, context.values.get(OVER));
      const shown = all.filter(([entry]) => includeArchived || entry.archivedAt === null);
      return { eventTypes: shown.map(([entry, texts]) => eventTypeTo(entry, texts)) };
    },

    async getEventType({ code, version }, context) {
      const { accountId } = callerOf(context);
      const entry = await requireEventType(catalog, accountId, code, "code", "not_found");
      const texts = await catalog.texts(entry, version === 0 ? entry.version : version);
      if (texts !== undefined) {
        await turnOf(context)(texts.schemaJson.length);
        return { eventType: eventTypeTo(entry, texts) };
      }
      throw new Refusal(
        "not_found",
        `${code} has versions 1 to ${entry.version}, but no version ${version}`,
        {
          field: "version",
        },
      );
    },

    async createEventType(request, context) {
      const { code, description, schema = {}, sampleJson, shared, validateOnly } = request;
      const keys = request.keys.map(keyFrom);
      const texts = { description, schema, sampleJson, keys };
      const wanted = { code, ...texts, shared, validateOnly, by: byOf(context) };
      return { eventType: eventTypeTo(...(await defineEventType(editor, callerOf(context), wanted))) };
    },

    async updateEventType(request, context) {
      const { code, description, schema, sampleJson, allowBreaking, validateOnly } = request;
      const keys = request.keys?.keys.map(keyFrom);
      const texts = { description, schema, sampleJson, keys };
      const wanted = { code, ...texts, allowBreaking, validateOnly, by: byOf(context) };
      return { eventType: eventTypeTo(...(await redefineEventType(editor, callerOf(context), wanted))) };
    },

    async archiveEventType({ code }, context) {
      const retired = await retireEventType(editor, callerOf(context), { code, by: byOf(context) });
      return { eventType: eventTypeTo(...retired) };
    },

    async getSchemaCheck(_request, context) {
      return { schemaCheck: schemaCheckTo(await catalog.schemaCheck(callerOf(context).accountId)) };
    },

    async setSchemaCheck(request, context) {
      const { accountId } = callerOf(context);
      const schemaCheck = schemaCheckFrom(request.schemaCheck);
      await setSchemaCheck(store, { accountId, schemaCheck, now: now(), by: byOf(context) });
      catalog.schemaCheckChanged(accountId, schemaCheck);
      return { schemaCheck: schemaCheckTo(schemaCheck) };
    },
  };
}
