import { AuditSubject } from "@posthaste/contracts/account";

/** What the audit log is narrowed to. The page's address holds it. */
export type AuditFilters = {
  /** 0: all. */
  readonly accountId: number;
  readonly subject: AuditSubject;
  /** Empty: any. */
  readonly subjectId: string;
};

export const NO_AUDIT_FILTERS: AuditFilters = {
  accountId: 0,
  subject: AuditSubject.UNSPECIFIED,
  subjectId: "",
};

const ID_MAX = 2 ** 31 - 1;

export function readAuditFilters(search: string): AuditFilters {
  const params = new URLSearchParams(search);
  const accountId = Number(params.get("account") ?? 0);
  const subject = Number(params.get("subject") ?? 0);
  return {
    accountId: Number.isInteger(accountId) && accountId > 0 && accountId <= ID_MAX ? accountId : 0,
    subject: subject in AuditSubject ? subject : NO_AUDIT_FILTERS.subject,
    subjectId: params.get("id") ?? "",
  };
}

export function auditAddress({ accountId, subject, subjectId }: AuditFilters): string {
  const params = new URLSearchParams();
  if (accountId !== 0) params.set("account", String(accountId));
  if (subject !== NO_AUDIT_FILTERS.subject) params.set("subject", String(subject));
  if (subjectId !== "") params.set("id", subjectId);
  const query = params.toString();
  return query === "" ? "/operator/audit" : `/operator/audit?${query}`;
}
