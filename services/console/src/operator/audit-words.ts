import { type AuditActor, AuditActorKind, type AuditEntry, AuditSubject } from "@posthaste/contracts/account";

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
    ...(field in before ? { before: textOf(before[field]) } : {}),
    ...(field in after ? { after: textOf(after[field]) } : {}),
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

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
