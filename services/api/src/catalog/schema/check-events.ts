import type { AccountId, SchemaCheck } from "@posthaste/domain";
import { Refusal } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import type { Catalog, CatalogEntry } from "../catalog.ts";
import type { Validators } from "./validators.ts";
import { sentenceOf, type Violation, violationsOf } from "./violations.ts";
import { newWork, type Work, WorkExceeded } from "./work.ts";

/** Violations that one event is told of, and that a refusal names. */
const VIOLATIONS_MAX = 10;
/** Violations that one answer lists as warnings: a batch of more events lists fewer for each, at least one. */
const WARNINGS_MAX = 1_000;
/** What a refusal says of violations, in bytes: over gRPC it travels in trailers, which clients bound (16 KiB in Node). */
const REFUSAL_BYTES_MAX = 2_000;

/** An event to be held against its type's schema. */
export type EventToCheck = {
  readonly entry: CatalogEntry;
  readonly snapshot: unknown;
  /** The field that the snapshot came in. */
  readonly field: string;
};

/** What {@link checkEvents} works with. */
export type EventChecks = { readonly catalog: Catalog; readonly validators: Validators; readonly log: Log };

/**
 * Holds events against their types' schemas, as their account has chosen.
 *
 * @returns what does not fit, for each event
 * @throws Refusal `invalid`, naming the first violations, where the account wants such events refused
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
  { entry, snapshot }: EventToCheck,
  work: Work,
  max: number,
): Promise<Violation[]> {
  const validate = await validators.of(entry);
  try {
    return violationsOf(validate(snapshot, work), max);
  } catch (error) {
    if (!(error instanceof WorkExceeded)) throw error;
    const message = `cannot be held against the schema of ${entry.code}: it takes too many steps; simplify it, or send fewer events at once`;
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
  return new Refusal("invalid", `${words}${more}`, { field: details[0]?.field ?? "", details });
}
