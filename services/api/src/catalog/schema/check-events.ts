import type { AccountId, SchemaCheck } from "@posthaste/domain";
import { noteNumberTexts, Refusal } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import type { Catalog, CatalogEntry } from "../catalog.ts";
import type { Validators } from "./validators.ts";
import { sentenceOf, type Violation, violationsOf } from "./violations.ts";
import { newWork, type Work, WorkExceeded } from "./work.ts";

/** Maximum violations listed for one event, or named by a refusal. */
const VIOLATIONS_MAX = 10;
/** Maximum warnings in one answer. A larger batch lists fewer for each event, but at least one. */
const WARNINGS_MAX = 1_000;
/**
 * Maximum bytes of violations in a refusal. Over gRPC it travels in trailers, once as text and three times in
 * its details, and some clients bound trailers at 8 KiB.
 */
const REFUSAL_BYTES_MAX = 1_000;

/** An event to check against its type's schema. */
export type EventToCheck = {
  readonly entry: CatalogEntry;
  readonly snapshot: object;
  /** Its text, whose numbers count as they are written. */
  readonly json: string;
  /** The request field that held the snapshot. */
  readonly field: string;
};

/** The dependencies of {@link checkEvents}. */
export type EventChecks = { readonly catalog: Catalog; readonly validators: Validators; readonly log: Log };

/**
 * Checks events against their types' schemas, as the account's {@link SchemaCheck} says.
 *
 * @returns each event's violations
 * @throws Refusal `invalid`, naming the first violations, if the account rejects events that violate a schema
 */
export async function checkEvents(
  { catalog, validators, log }: EventChecks,
  accountId: AccountId,
  events: readonly EventToCheck[],
): Promise<readonly (readonly Violation[])[]> {
  const mode = await catalog.schemaCheck(accountId);
  if (mode === "OFF") return events.map(() => []);
  const max = Math.min(VIOLATIONS_MAX, Math.max(1, Math.floor(WARNINGS_MAX / events.length)));
  const work = newWork();
  const found: (readonly Violation[])[] = [];
  for (const event of events) found.push(await violationsIn(validators, event, work, max));
  const wrong = found.flatMap((violations, i) =>
    violations.map((violation) => ({ violation, field: events[i]?.field ?? "" })),
  );
  if (wrong.length > 0) note(log, accountId, mode, found);
  if (mode === "REJECT" && wrong.length > 0) throw refusal(wrong);
  return found;
}

async function violationsIn(
  validators: Validators,
  { entry, snapshot, json }: EventToCheck,
  work: Work,
  max: number,
): Promise<Violation[]> {
  const validate = await validators.of(entry);
  noteNumberTexts(snapshot, json);
  try {
    return violationsOf(validate(snapshot, work), max);
  } catch (error) {
    if (!(error instanceof WorkExceeded)) throw error;
    const message = `cannot be checked: the schema of ${entry.code} takes too many steps; simplify the schema, or send fewer events in one call`;
    return [{ path: "", message }];
  }
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
