import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { AuditSubject } from "@posthaste/contracts/account";
import { ANY_TIME, readSince, type Since, timesOf } from "../parts/time-range.ts";

/** What the audit log is narrowed to. The page's address holds it. */
export type AuditFilters = {
  /** 0: all. */
  readonly accountId: number;
  readonly subject: AuditSubject;
  /** Empty: any. */
  readonly subjectId: string;
  /** As an entry names it, such as `posthaste.v1.DeliveryService/Resend`; empty: any. */
  readonly action: string;
  /** Of the token that made the change; 0: any. */
  readonly tokenId: bigint;
  readonly since: Since;
};

export const NO_AUDIT_FILTERS: AuditFilters = {
  ...{ accountId: 0, subject: AuditSubject.UNSPECIFIED, subjectId: "" },
  ...{ action: "", tokenId: 0n, since: ANY_TIME },
};

const ACCOUNT_ID_MAX = 2 ** 31 - 1;
const TOKEN_ID_MAX = BigInt(Number.MAX_SAFE_INTEGER);

export function readAuditFilters(search: string): AuditFilters {
  const params = new URLSearchParams(search);
  const subject = Number(params.get("subject") ?? 0);
  const accountId = numberIn(params, "account");
  const tokenId = numberIn(params, "token");
  return {
    accountId: accountId <= ACCOUNT_ID_MAX ? Number(accountId) : 0,
    subject: subject in AuditSubject ? subject : NO_AUDIT_FILTERS.subject,
    subjectId: params.get("id") ?? "",
    action: params.get("action") ?? "",
    tokenId: tokenId <= TOKEN_ID_MAX ? tokenId : 0n,
    since: readSince(params),
  };
}

/** Reads a whole number; 0: there is none. */
function numberIn(params: URLSearchParams, name: string): bigint {
  const text = params.get(name) ?? "";
  return /^[1-9]\d*$/.test(text) ? BigInt(text) : 0n;
}

export function auditAddress(filters: Partial<AuditFilters>): string {
  const { accountId, subject, subjectId, action, tokenId, since } = { ...NO_AUDIT_FILTERS, ...filters };
  const params = new URLSearchParams();
  if (accountId !== 0) params.set("account", String(accountId));
  if (subject !== NO_AUDIT_FILTERS.subject) params.set("subject", String(subject));
  if (subjectId !== "") params.set("id", subjectId);
  if (action !== "") params.set("action", action);
  if (tokenId !== 0n) params.set("token", String(tokenId));
  if (since !== ANY_TIME) params.set("since", since);
  const query = params.toString();
  return query === "" ? "/operator/audit" : `/operator/audit?${query}`;
}

/** @param now when a length of time ends */
export function auditRequest({ since, ...filters }: AuditFilters, now: number) {
  const { from, before } = timesOf(since, now);
  return {
    ...filters,
    ...(from === undefined ? {} : { createdFrom: timestampFromMs(from) }),
    ...(before === undefined ? {} : { createdBefore: timestampFromMs(before) }),
  };
}
