import { create, type JsonObject } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { EventTypeSchema, SchemaCheck as ProtoSchemaCheck } from "@posthaste/contracts/event_catalog";
import { type EventTypeKey, SCHEMA_CHECKS, type SchemaCheck } from "@posthaste/domain";
import type { CatalogEntry, CatalogTexts } from "../catalog/catalog.ts";
import { enumOf, nameOf } from "./enum-of.ts";

const PROTO_SCHEMA_CHECKS = enumOf(SCHEMA_CHECKS, ProtoSchemaCheck);

export function schemaCheckTo(check: SchemaCheck): ProtoSchemaCheck {
  return PROTO_SCHEMA_CHECKS[check];
}

/** Converts a check; unspecified becomes the default, `OFF`. */
export function schemaCheckFrom(check: ProtoSchemaCheck): SchemaCheck {
  return nameOf(PROTO_SCHEMA_CHECKS, check) ?? "OFF";
}

/** Keeps the fields of the contract's message that are ours. */
export function keyFrom({ pointer, sensitive }: EventTypeKey): EventTypeKey {
  return { pointer, sensitive };
}

export function eventTypeTo(entry: CatalogEntry, texts: CatalogTexts) {
  const { code, stored, archivedAt } = entry;
  return create(EventTypeSchema, {
    code,
    description: texts.description,
    schema: JSON.parse(texts.schemaJson) as JsonObject,
    sampleJson: texts.sampleJson,
    keys: texts.keys.map(keyFrom),
    version: texts.version,
    builtIn: stored === null,
    shared: stored === null || stored.shared,
    ...(stored === null ? {} : { createdAt: timestampFromMs(stored.createdAt) }),
    ...(archivedAt === null ? {} : { archivedAt: timestampFromMs(archivedAt) }),
    ...(texts.storedAt === null ? {} : { updatedAt: timestampFromMs(texts.storedAt) }),
  });
}
