import type { AccountId, SchemaCheck } from "@posthaste/domain";
import { Refusal } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import type { Catalog, CatalogEntry } from "../catalog.ts";
import { KEPT_CHARS_MAX } from "./kept-schemas.ts";
import type { KnownSchema, KnownSchemas } from "./known-schemas.ts";
import type { CheckRun } from "./schema-thread.ts";
import type { SchemaThreads } from "./schema-threads.ts";
import { snapshotOf } from "./snapshot-of.ts";
import { sentenceOf, type Violation } from "./violations.ts";
import { newWork, WorkExceeded } from "./work.ts";

/** Maximum violations listed for one event, or named by a refusal. */
const VIOLATIONS_MAX = 10;
/** Maximum warnings in one answer. A larger batch lists fewer for each event, but at least one. */
const WARNINGS_MAX = 1_000;
/**
 * Maximum bytes of violations in a refusal. Over gRPC it travels in trailers, once as text and three times in
 * its details, and some clients bound trailers at 8 KiB.
 */
const REFUSAL_BYTES_MAX = 1_000;

/*
 * Most calls have a few small events that match small schemas. Telling that takes microseconds, so it is done
 * here: the way to a thread and back would take many times as long. What a call may cost the others here is
 * about what it costs them without a check, a millisecond.
 */
/** Steps that a call may spend here. An event of a built-in type takes up to 150. */
const STEPS_HERE_MAX = 5_000;
/** Characters of a call's snapshots that are looked at here. */
const CHARS_HERE_MAX = 65_536;

/** An event to check against its type's schema. */
export type EventToCheck = {
  readonly entry: CatalogEntry;
  /**
   * The snapshot's text, whose numbers count as they are written. It waits for a thread unparsed, because
   * parsed it may take 20 times the memory.
   */
  readonly json: string;
  /** The request field that held the snapshot. */
  readonly field: string;
};

/** The dependencies of {@link checkEvents}. */
export type EventChecks = {
  readonly catalog: Catalog;
  readonly knownSchemas: KnownSchemas;
  readonly schemaThreads: SchemaThreads;
  readonly log: Log;
};

/**
 * Checks events against their types' schemas, as the account's {@link SchemaCheck} says.
 *
 * @param options.chargedTo the account in whose turns the check waits for a thread. Default: `accountId`
 * @param options.signal ends that wait
 * @returns each event's violations
 * @throws Refusal `invalid`, naming the first violations, if the account rejects events that violate a schema
 */
export async function checkEvents(
  parts: EventChecks,
  accountId: AccountId,
  events: readonly EventToCheck[],
  { chargedTo = accountId, signal }: { chargedTo?: AccountId; signal?: AbortSignal | undefined } = {},
): Promise<readonly (readonly Violation[])[]> {
  const mode = await parts.catalog.schemaCheck(accountId);
  const none = () => events.map(() => []);
  if (mode === "OFF") return none();
  const checks: Check[] = [];
  for (const event of events)
    checks.push({ event, schema: await parts.knownSchemas.of(accountId, event.entry) });
  if (matchHere(parts.knownSchemas, accountId, checks)) return none();
  const found = await checkInThread(parts.schemaThreads, chargedTo, checks, signal);
  const wrong = found.flatMap((violations, i) =>
    violations.map((violation) => ({ violation, field: events[i]?.field ?? "" })),
  );
  if (wrong.length > 0) note(parts.log, accountId, mode, found);
  if (mode === "REJECT" && wrong.length > 0) throw refusal(wrong);
  return found;
}

type Check = { readonly event: EventToCheck; readonly schema: KnownSchema };

/** Returns whether all events match, if that is told quickly; false if it is not. */
function matchHere(known: KnownSchemas, accountId: AccountId, checks: readonly Check[]): boolean {
  if (checks.reduce((chars, { event }) => chars + event.json.length, 0) > CHARS_HERE_MAX) return false;
  if (!known.compileHere(accountId, [...new Set(checks.map(({ schema }) => schema))])) return false;
  const work = newWork(STEPS_HERE_MAX);
  try {
    return checks.every(({ event: { json }, schema }) => {
      return schema.matches?.(snapshotOf(json), work) === true;
    });
  } catch (error) {
    if (!(error instanceof WorkExceeded)) throw error;
    return false;
  }
}

async function checkInThread(
  threads: SchemaThreads,
  accountId: AccountId,
  checks: readonly Check[],
  signal: AbortSignal | undefined,
): Promise<readonly (readonly Violation[])[]> {
  const indexes = new Map<string, number>();
  const schemas: CheckRun["schemas"][number][] = [];
  const toCheck = checks.map(({ event, schema: { owner, key, json } }) => {
    const schema = indexes.get(key) ?? schemas.push({ owner, key, code: event.entry.code, json }) - 1;
    indexes.set(key, schema);
    return { schema, json: event.json };
  });
  if (schemas.reduce((chars, { json }) => chars + json.length, 0) > KEPT_CHARS_MAX) {
    const message =
      "cannot be checked: the event types of this call have too large schemas; send fewer types in one call";
    return checks.map(() => [{ path: "", message }]);
  }
  const violationsMax = Math.min(VIOLATIONS_MAX, Math.max(1, Math.floor(WARNINGS_MAX / checks.length)));
  return await threads.check(accountId, { schemas, events: toCheck, violationsMax }, signal);
}

function note(
  log: Log,
  accountId: AccountId,
  mode: SchemaCheck,
  found: readonly (readonly Violation[])[],
): void {
  log.info("ingest.schema_violated", {
    accountId,
    mode,
    events: found.filter((violations) => violations.length > 0).length,
    violations: found.reduce((sum, violations) => sum + violations.length, 0),
  });
}

function refusal(wrong: readonly { violation: Violation; field: string }[]): Refusal {
  const details: { field: string; message: string }[] = [];
  let bytes = 0;
  for (const { violation, field } of wrong) {
    const message = sentenceOf(violation);
    bytes += Buffer.byteLength(field + message);
    if (details.length === VIOLATIONS_MAX || (bytes > REFUSAL_BYTES_MAX && details.length > 0)) break;
    details.push({ field, message });
  }
  const more = wrong.length > details.length ? "; and more" : "";
  const words = details.map(({ field, message }) => `${field}: ${message}`).join("; ");
  return new Refusal("invalid", `${words}${more}`, {
    reason: "SCHEMA_VIOLATED",
    field: details[0]?.field ?? "",
    details,
  });
}
