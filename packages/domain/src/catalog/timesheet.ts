import type { EventType } from "../event-type.ts";
import { date, flag, id, keys, reference, snapshotSchema, text, time } from "./snapshot-schema.ts";

const schema = snapshotSchema("Timesheet entry", ["TimeSheetEntryID", "Duration", "EntryDate"], {
  TimeSheetEntryID: id("The entry's ID."),
  Duration: { description: "The duration, in hours.", type: "number", minimum: 0 },
  EntryDate: date("The day on which the time was spent."),
  UserIDFK: reference("The ID of the user who spent the time."),
  ProjectIDFK: reference("The ID of the project that the time was spent on."),
  TimeSheetCategoryIDFK: reference("The ID of the entry's category."),
  Notes: text("Notes."),
  TimeSheetEntryApprovalStatusCode: text("The entry's approval status, such as PENDING or APPROVED."),
  isBillable: flag("Whether the time is billable."),
  isInvoiced: flag("Whether the time has been invoiced."),
  DateCreated: time("When the entry was created."),
  DateUpdated: time("When the entry was last changed."),
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

const IDENTIFYING = keys("TimeSheetEntryID", "ProjectIDFK", "UserIDFK");

export const TIMESHEET_EVENTS: readonly EventType[] = [
  { code: "timesheet_created", description: "Time was entered.", schema, keys: IDENTIFYING, sample },
  {
    code: "timesheet_deleted",
    description: "A timesheet entry was deleted; the snapshot is its last state.",
    schema,
    keys: IDENTIFYING,
    sample,
  },
  {
    code: "timesheet_updated",
    description: "A timesheet entry was changed.",
    schema,
    keys: IDENTIFYING,
    sample: { ...sample, TimeSheetEntryApprovalStatusCode: "APPROVED", DateUpdated: "2026-03-03T08:00:00Z" },
  },
];
