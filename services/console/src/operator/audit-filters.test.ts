import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { AuditSubject } from "@posthaste/contracts/account";
import { expect, test } from "vitest";
import { auditAddress, auditRequest, NO_AUDIT_FILTERS, readAuditFilters } from "./audit-filters.ts";

test("filters survive the way through the address, whatever is in them", () => {
  const filters = {
    ...{ accountId: 7, subject: AuditSubject.EVENT_TYPE, subjectId: "a&b=ü", tokenId: 9007199254740991n },
    ...{ action: "DELETE /api/Webhook/:id", since: "2026-11-28T08:30:00.000Z~" },
  };
  expect(readAuditFilters(auditAddress(filters).split("?")[1] ?? "")).toEqual(filters);
  expect(auditAddress(NO_AUDIT_FILTERS)).toBe("/operator/audit");
  expect(readAuditFilters("")).toEqual(NO_AUDIT_FILTERS);
});

test("numbers that the API would refuse count as none", () => {
  for (const search of [
    "account=2147483648",
    "token=9007199254740992",
    "token=-1",
    "account=-1&subject=99",
    "account=1.5",
    "token=x",
  ])
    expect(readAuditFilters(search)).toEqual(NO_AUDIT_FILTERS);
});

test("a length of time ends now", () => {
  const request = auditRequest({ ...NO_AUDIT_FILTERS, since: "1h" }, 3_600_000);
  expect(request).toMatchObject({ createdFrom: timestampFromMs(0), action: "" });
  expect(request).not.toHaveProperty("createdBefore");
});
