import { gzipSync } from "node:zlib";
import type { Random } from "@posthaste/testkit";
import { type Attack, type Call, keepDoing, rpc, send } from "../strike.ts";
import { field } from "./routes.ts";

/** 10 bombs a second. */
const EVERY_MS = 100;
const AT_ONCE_MAX = 20;
const MIB = 1_048_576;

const INGEST = "/posthaste.v1.EventIngestService/IngestEvent";
const INGEST_MANY = "/posthaste.v1.EventIngestService/IngestEvents";
const SIGN_IN = "/posthaste.v1.SessionService/OpenSession";
const CREATE_TYPE = "/posthaste.v1.EventCatalogService/CreateEventType";
const UPDATE_TYPE = "/posthaste.v1.EventCatalogService/UpdateEventType";

const names = (count: number) => Array.from({ length: count }, (_, n) => `name_${n}`);
const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
const eventWith = (dataJson: string) => JSON.stringify({ eventType: "invoice_sent", dataJson });
const gzipped = (path: string, body: string | Uint8Array, type = "application/json"): Call => ({
  ...{ path, type, headers: { "content-encoding": "gzip" } },
  body: gzipSync(body),
});

type Calls = readonly [Call, ...Call[]];

const JSON_BOMBS: Calls = [
  { path: INGEST, body: `{"data":${"[".repeat(50_000)}` },
  { path: INGEST, body: eventWith(nested(5_000)) },
  { path: INGEST, body: eventWith(`[${"0,".repeat(300_000)}0]`) },
  {
    path: INGEST,
    body: eventWith(JSON.stringify(Object.fromEntries(names(50_000).map((name) => [name, 1])))),
  },
  { path: INGEST, body: Buffer.from('{"eventType":"\xff\xfe"}', "latin1") },
  { path: INGEST, body: eventWith("{}"), headers: { "connect-timeout-ms": "9999999999" } },
  { path: INGEST_MANY, body: `{"events":[${"{},".repeat(300_000)}{}]}` },
  { path: SIGN_IN, body: `{"portalCode":${"[".repeat(4_000)}` },
  { path: "/api/Webhook", body: `{"target_url":${"[".repeat(500_000)}` },
];

/** Of `google.protobuf.Struct`, in JSON. */
const STRUCT_BOMBS: Calls = [
  { path: INGEST, body: `{"eventType":"a","data":${nested(5_000)}}` },
  { path: INGEST, body: `{"eventType":"a","data":{"a":1${"0".repeat(500_000)}}}` },
  { path: INGEST, body: `{"eventType":"a","data":{"a":[${"1,".repeat(300_000)}1]}}` },
];

const FORM = "application/x-www-form-urlencoded";
const FORM_BOMBS: Calls = [
  { path: "/api/Webhook", type: FORM, body: names(50_000).join("=1&") },
  { path: "/api/Webhook", type: FORM, body: "%".repeat(1_000_000) },
  { path: "/api/Webhook", type: FORM, body: "event=a&".repeat(100_000) },
];

/** A number as a member of a Struct. */
const member = (name: string) =>
  field(1, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from([17, 0, 0, 0, 0, 0, 0, 0, 0]))]));
/** Empty Structs, each of which is merged with the thousand members before it. */
const merged = Buffer.concat([
  field(2, Buffer.concat(names(1_000).map(member))),
  ...Array<Buffer>(16_000).fill(field(2, Buffer.alloc(0))),
]);
const PROTO = "application/proto";
/** Small on the wire, large or slow to read. */
const GZIP_BOMBS: Calls = [
  gzipped(INGEST, Buffer.alloc(64 * MIB)),
  gzipped(INGEST, `{"eventType":"a","data":{"a":[${"{},".repeat(MIB)}{}]}}`),
  gzipped(INGEST_MANY, Buffer.alloc(4 * MIB, Buffer.from([10, 0])), PROTO),
  gzipped(INGEST, Buffer.alloc(6 * MIB, Buffer.from([120, 1])), PROTO),
  gzipped(INGEST, merged, PROTO),
];

const properties = Object.fromEntries(
  names(400).map((name) => [name, { pattern: `^(a|b|${name})*c{1,50}$` }]),
);
const SCHEMAS: readonly [unknown, ...unknown[]] = [
  { type: "object", properties },
  { type: "object", dependentRequired: Object.fromEntries(names(100).map((name) => [name, names(50)])) },
  { type: "object", anyOf: Array.from({ length: 60 }, () => ({ required: names(100) })) },
];
/** Schemas that are slow to compile, as new types, and to compare with one another, as new versions. */
const schemaBomb = (random: Random): Call => ({
  path: random.pick([CREATE_TYPE, UPDATE_TYPE]),
  body: JSON.stringify({
    ...{ code: `bomb_${random.between(0, 20)}`, description: "A bomb" },
    ...{ schema: random.pick(SCHEMAS), sampleJson: "{}" },
  }),
});

/** Returns a bomb; each kind is as frequent as the others. */
function bombOf(random: Random): Call {
  const calls = random.pick([JSON_BOMBS, STRUCT_BOMBS, FORM_BOMBS, GZIP_BOMBS, undefined]);
  return calls === undefined ? schemaBomb(random) : random.pick(calls);
}

/** Bodies that are small to send and costly to read, or that look so: half of them without a token. */
export const bombs: Attack = async (strike) => {
  const { random, target } = strike;
  // So that its events are checked against their schemas, too.
  await rpc(strike, "EventCatalogService/SetSchemaCheck", { schemaCheck: "SCHEMA_CHECK_WARN" });
  await keepDoing(strike, { everyMs: EVERY_MS, atOnceMax: AT_ONCE_MAX }, async () => {
    await send(strike, { token: random.pick([target.token, undefined]), ...bombOf(random) });
  });
};
