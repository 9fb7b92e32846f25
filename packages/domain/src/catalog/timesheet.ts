import type { EventType } from "../event-type.ts";
import { date, flag, id, reference, snapshotSchema, text, time } from "./snapshot-schema.ts";

const schema = snapshotSchema("Timesheet entry", ["TimeSheetEntryID", "Duration", "EntryDate"], {
  TimeSheetEntryID: id("The entry's number."),
  Duration: { description: "How long, in hours.", type: "number", minimum: 0 },
  EntryDate: date("The day it is for."),
  UserIDFK: reference("The number of the user whose time it is."),
  ProjectIDFK: reference("The number of the project it was spent on."),
  TimeSheetCategoryIDFK: reference("The number of its category."),
  Notes: text("Notes."),
  TimeSheetEntryApprovalStatusCode: text("Where its approval stands, such as PENDING or APPROVED."),
  isBillable: flag("Whether it is to be invoiced."),
  isInvoiced: flag("Whether it has been."),
  DateCreated: time("When it was entered."),
  DateUpdated: time("When it was last changed."),
});

const sample = {
  TimeSheetEntryID: 120934,
  Duration: 1.5,
  EntryDate: "2026-03-02",
  UserIDFK: 17,
  ProjectIDFK: 310,
  TimeSheetCategoryIDFK: 4,
  Notes: "notes go here",
  TimeSheetEntryApprovalStatusCode: "PENDING",
  isBillable: true,
  isInvoiced: false,
  DateCreated: "2026-03-02T16:05:00Z",
  DateUpdated: "2026-03-02T16:05:00Z",
};

export const TIMESHEET_EVENTS: readonly EventType[] = [
  { code: "timesheet_created", description: "Time was entered.", schema, sample },
  {
    code: "timesheet_deleted",
    description: "A timesheet entry was deleted; the snapshot is its last state.",
    schema,
    sample,
  },
  {
    code: "timesheet_updated",
    description: "A timesheet entry was changed.",
    schema,
    sample: { ...sample, TimeSheetEntryApprovalStatusCode: "APPROVED", DateUpdated: "2026-03-03T08:00:00Z" },
  },
];
