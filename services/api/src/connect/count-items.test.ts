import { create, type DescMessage } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { IngestEventsRequestSchema } from "@posthaste/contracts/event_ingest";
import { CreateSubscriptionRequestSchema } from "@posthaste/contracts/subscription";
import { expect, test } from "vitest";
import { SERVICES } from "./access.ts";
import { itemsMax, requireFewItems } from "./count-items.ts";

const many = 1_400_000;
/** Each is a mistake of its own, of which the library would make a violation. */
const HUGE: [name: string, type: DescMessage, init: Record<string, unknown>, refusal: string][] = [
  [
    "events without anything",
    IngestEventsRequestSchema,
    { events: new Array(many).fill({}) },
    "events has 1400000 items; at most 1000 are allowed",
  ],
  [
    "event types without a name",
    CreateSubscriptionRequestSchema,
    { eventTypes: new Array(many).fill("") },
    "event_types has 1400000 items; at most 64 are allowed",
  ],
];

test.each(HUGE)(
  "a request with too many %s is refused by their number alone",
  (_name, type, init, refusal) => {
    const message = reflect(type, create(type, init));
    expect(() => requireFewItems(message)).toThrow(refusal);
  },
);

test("a map in a message of the request is counted, too", () => {
  const values = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`x-${i}`, "1"]));
  const message = create(CreateSubscriptionRequestSchema, { headers: { values } } as object);
  expect(() => requireFewItems(reflect(CreateSubscriptionRequestSchema, message))).toThrow(
    /headers(\.values)? has 21 items; at most 20 are allowed/,
  );
});

/** Lists every list and map of a request that has no bound, in its messages, too. */
function unbounded(type: DescMessage, path: string, seen: ReadonlySet<string> = new Set()): string[] {
  if (seen.has(type.typeName) || type.file.proto.package !== "posthaste.v1") return [];
  const within = new Set([...seen, type.typeName]);
  return type.fields.flatMap((field) => {
    const name = `${path}.${field.name}`;
    const inner = field.message === undefined ? [] : unbounded(field.message, name, within);
    const isMany = field.fieldKind === "list" || field.fieldKind === "map";
    return isMany && !Number.isFinite(itemsMax(field)) ? [name, ...inner] : inner;
  });
}

test("every list and every map of a request has a bound", () => {
  const inputs = SERVICES.flatMap((service) => service.methods.map(({ input }) => input));
  expect(inputs.flatMap((type) => unbounded(type, type.name))).toEqual([]);
});
