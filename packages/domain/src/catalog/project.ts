import type { EventType } from "../event-type.ts";
import { date, flag, id, keys, reference, snapshotSchema, text } from "./snapshot-schema.ts";

const schema = snapshotSchema("Project", ["ProjectID", "Title"], {
  ProjectID: id("The project's ID."),
  Title: text("The project's title."),
  CompanyIDFK: reference("The ID of the company that the project is for."),
  ProjectStatusCode: text("The project's status, such as INPROGRESS or COMPLETED."),
  StartDate: date("The project's first day."),
  EndDate: date("The project's last day."),
  Notes: text("Notes."),
  isArchived: flag("Whether the project is archived."),
});

const sample = {
  ProjectID: 310,
  Title: "Spring catalogue",
  CompanyIDFK: 4711,
  ProjectStatusCode: "INPROGRESS",
  StartDate: "2026-02-16",
  EndDate: "2026-05-29",
  Notes: "Printed by the end of May.",
  isArchived: false,
};

const IDENTIFYING = keys("ProjectID", "CompanyIDFK");

export const PROJECT_EVENTS: readonly EventType[] = [
  { code: "project_created", description: "A project was added.", schema, keys: IDENTIFYING, sample },
  {
    code: "project_deleted",
    description: "A project was deleted; the snapshot is its last state.",
    schema,
    keys: IDENTIFYING,
    sample,
  },
  {
    code: "project_updated",
    description: "A project was changed.",
    schema,
    keys: IDENTIFYING,
    sample: { ...sample, ProjectStatusCode: "COMPLETED", isArchived: true },
  },
];
