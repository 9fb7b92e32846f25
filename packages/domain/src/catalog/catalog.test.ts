import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { describe, expect, test } from "vitest";
import { EVENT_TYPES, OPERATIONAL_EVENT_TYPES } from "./index.ts";

const ajv = addFormats.default(new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true }));

describe("the built-in catalogue", () => {
  test("contains the 24 known event types, in alphabetical order", () => {
    const crud = (entity: string) => [`${entity}_created`, `${entity}_deleted`, `${entity}_updated`];
    const known = [
      ...["company", "contact", "invoice", "estimate", "project", "task", "timesheet"].flatMap(crud),
      "invoice_sent",
      "bill_created",
      "bill_updated",
    ];
    expect(EVENT_TYPES.map((type) => type.code)).toEqual(known.sort());
    expect(EVENT_TYPES).toHaveLength(24);
  });

  test.each([...EVENT_TYPES, ...OPERATIONAL_EVENT_TYPES].map((type) => [type.code, type] as const))(
    "the schema of %s accepts its sample and rejects an empty object",
    (_code, type) => {
      const validate = ajv.compile(type.schema);
      validate(type.sample);
      expect(validate.errors).toBeNull();
      expect(validate({})).toBe(false);
      expect(type.description).toMatch(/^An? .*\.|^Time .*\./);
    },
  );

  test.each([
    [
      "timesheet_created",
      "TimeSheetEntryID Duration EntryDate UserIDFK ProjectIDFK TimeSheetCategoryIDFK Notes TimeSheetEntryApprovalStatusCode isBillable isInvoiced DateCreated DateUpdated",
    ],
    [
      "invoice_sent",
      "TransactionID InvoiceNumber TransactionPrefix TransactionStatusCode CompanyIDFK CompanyName CurrencyCode DateIssued DueDate DateSent TotalAmount TaxAmount Balance LineItems Links",
    ],
    [
      "contact_created",
      "ContactID CompanyIDFK CompanyName Firstname Lastname Email Phone Mobile PositionTitle TimeZone",
    ],
    [
      "task_created",
      "TaskID Title ProjectIDFK SectionIDFK TaskStatusCode AssignedToUserIDFK DateDue PercentComplete isCompleteStatus Tags",
    ],
    ["project_created", "ProjectID Title CompanyIDFK ProjectStatusCode StartDate EndDate Notes isArchived"],
  ])("%s has exactly the fields that integrations rely on", (code, fields) => {
    const type = EVENT_TYPES.find((candidate) => candidate.code === code);
    expect(Object.keys(type?.sample ?? {})).toEqual(fields.split(" "));
    expect(Object.keys(type?.schema["properties"] ?? {})).toEqual(fields.split(" "));
  });

  test("survives a JSON round trip", () => {
    expect(JSON.parse(JSON.stringify(EVENT_TYPES))).toEqual(EVENT_TYPES);
  });
});
