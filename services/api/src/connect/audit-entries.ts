import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  AuditActorKind,
  AuditEntrySchema,
  type ListAuditEntriesRequest,
  AuditSubject as ProtoAuditSubject,
} from "@posthaste/contracts/account";
import {
  type AccountId,
  AUDIT_ACTORS,
  AUDIT_SUBJECTS,
  type AuditEntryId,
  decodePageToken,
  type TokenId,
} from "@posthaste/domain";
import type { AuditEntry, AuditFilter } from "@posthaste/store";
import { enumOf, nameOf } from "./enum-of.ts";
import { pointInTime } from "./point-in-time.ts";

const ACTOR_KINDS = enumOf(AUDIT_ACTORS, AuditActorKind);
const SUBJECTS = enumOf(AUDIT_SUBJECTS, ProtoAuditSubject);

/** Returns which entries of the audit log a caller means. */
export function auditFilterFrom(
  request: ListAuditEntriesRequest,
): AuditFilter & { readonly before?: AuditEntryId } {
  const { accountId, action, subjectId, tokenId, createdFrom, createdBefore, pageToken } = request;
  const subject = nameOf(SUBJECTS, request.subject);
  return {
    ...(accountId === 0 ? {} : { accountId: accountId as AccountId }),
    ...(action === "" ? {} : { action }),
    ...(subject === undefined ? {} : { subject }),
    ...(subjectId === "" ? {} : { subjectId }),
    ...(tokenId === 0n ? {} : { tokenId: Number(tokenId) as TokenId }),
    ...(createdFrom === undefined ? {} : { from: pointInTime(createdFrom, "created_from") }),
    ...(createdBefore === undefined ? {} : { until: pointInTime(createdBefore, "created_before") }),
    ...(pageToken === "" ? {} : { before: decodePageToken(pageToken, "string") as AuditEntryId }),
  };
}

export function auditEntryTo(entry: AuditEntry) {
  const { actor } = entry;
  const token = typeof actor === "string" ? undefined : actor;
  return create(AuditEntrySchema, {
    id: entry.id,
    accountId: entry.accountId,
    actor: {
      kind: typeof actor === "string" ? ACTOR_KINDS[actor] : AuditActorKind.TOKEN,
      accountId: token?.accountId ?? 0,
      tokenId: BigInt(token?.tokenId ?? 0),
      tokenName: token?.name ?? "",
      tokenHint: token?.hint ?? "",
    },
    action: entry.action,
    subject: SUBJECTS[entry.subject],
    subjectId: entry.subjectId,
    beforeJson: entry.beforeJson,
    afterJson: entry.afterJson,
    createdAt: timestampFromMs(entry.createdAt),
  });
}
