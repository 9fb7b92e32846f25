import { type AuditActor, AuditActorKind, type AuditEntry, AuditSubject } from "@posthaste/contracts/account";
import { DAY_MS, MINUTE_MS } from "../parts/durations.ts";
import { whole } from "../parts/numbers.ts";
import { spelledMs, timeToSecond } from "../parts/times.ts";

export const SUBJECTS = {
  [AuditSubject.UNSPECIFIED]: "Anything",
  [AuditSubject.ACCOUNT]: "Account",
  [AuditSubject.TOKEN]: "Token",
  [AuditSubject.PORTAL_LINK]: "Portal link",
  [AuditSubject.SUBSCRIPTION]: "Subscription",
  [AuditSubject.EVENT_TYPE]: "Event type",
  [AuditSubject.DELIVERY]: "Delivery",
  [AuditSubject.RECOVERY]: "Recovery",
  [AuditSubject.ERASURE]: "Erasure",
  [AuditSubject.INSTALLATION]: "Installation",
} as const satisfies Record<AuditSubject, string>;

/** Says what was done: `PauseSubscription` of an RPC, and routes and commands as they are. */
export function actionName(action: string): string {
  const rpc = /^posthaste\.v1\.\w+\/(?<method>\w+)$/.exec(action)?.groups?.["method"];
  if (rpc === undefined) return action;
  const words = rpc.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return `${words[0]?.toUpperCase()}${words.slice(1)}`;
}

/** Says of a count that it is one: the call that counts has the name of the call that sends. */
export function isCount({ subject, afterJson }: Pick<AuditEntry, "subject" | "afterJson">): boolean {
  return subject === AuditSubject.RECOVERY && fieldsIn(afterJson)["dry_run"] === true;
}

/** Says who did it. */
export function actorName(actor: AuditActor | undefined): string {
  switch (actor?.kind) {
    case AuditActorKind.TOKEN:
      return `${actor.tokenName} (${actor.tokenHint}…) of account ${actor.accountId}`;
    case AuditActorKind.PORTAL_LINK:
      return "whoever opened a portal link";
    case AuditActorKind.OPERATOR:
      return "an operator's command";
    case AuditActorKind.POSTHASTE:
      return "the system";
    default:
      return "unknown";
  }
}

/** A field that changed, before and after; undefined: it was or is not set. */
export type Change = { readonly field: string; readonly before?: string; readonly after?: string };

/** Returns what an entry says of each field, in the order of their names. */
export function changesOf(beforeJson: string, afterJson: string): Change[] {
  const [before, after] = [fieldsIn(beforeJson), fieldsIn(afterJson)];
  const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return fields.map((field) => ({
    field,
    ...(field in before ? { before: inWords(field, before[field]) } : {}),
    ...(field in after ? { after: inWords(field, after[field]) } : {}),
  }));
}

function fieldsIn(json: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(json === "" ? "{}" : json);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    // A newer API may write something else. It is shown as it is.
    return { "": json };
  }
}

/** Fields that hold a time. */
const TIME = /_at$|^since$|^until$/;

/** Says a value without JSON, but in full: a length of time in minutes and hours only if it has no rest. */
function inWords(field: string, value: unknown): string {
  if (value === null) return "none";
  if (typeof value === "string") return TIME.test(field) ? timeInWords(value) : value;
  if (typeof value === "number" && field.endsWith("_ms")) {
    return value % MINUTE_MS === 0 && value < 2 * DAY_MS ? spelledMs(value) : `${whole(value)} ms`;
  }
  // A customer's names and values may hold any sign, so only JSON tells them apart.
  if (typeof value !== "object" || field === "metadata") return JSON.stringify(value);
  if (Array.isArray(value)) return value.map((one) => inWords("", one)).join(", ");
  const parts = Object.entries(value).map(([name, part]) => [name, inWords(name, part)] as const);
  const said = parts.filter(([, words]) => words !== "").map(([name, words]) => `${name} ${words}`);
  return said.length === 0 ? "none" : said.join("; ");
}

/** A recovery or replay that takes all there is begins with 1970. */
function timeInWords(value: string): string {
  const at = Date.parse(value);
  if (Number.isNaN(at)) return value;
  return at === 0 ? "the beginning" : timeToSecond(at);
}
