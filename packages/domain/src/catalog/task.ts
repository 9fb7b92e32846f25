import type { EventType } from "../event-type.ts";
import { date, flag, id, list, reference, snapshotSchema, text } from "./snapshot-schema.ts";

const schema = snapshotSchema("Task", ["TaskID", "Title"], {
  TaskID: id("The task's number."),
  Title: text("What is to be done."),
  ProjectIDFK: reference("The number of the project it belongs to."),
  SectionIDFK: reference("The number of the project's section it stands in."),
  TaskStatusCode: text("Where it stands, such as NOTSTARTED or COMPLETED."),
  AssignedToUserIDFK: text("The numbers of the users who do it, as text, separated by commas."),
  DateDue: date("The day it is due."),
  PercentComplete: {
    description: "How far it is, 0 to 100.",
    type: ["number", "null"],
    minimum: 0,
    maximum: 100,
  },
  isCompleteStatus: flag("Whether its status counts as done."),
  Tags: list("Its tags.", { type: "string" }),
});

const sample = {
  TaskID: 7741,
  Title: "Proofread the price list",
  ProjectIDFK: 310,
  SectionIDFK: 12,
  TaskStatusCode: "NOTSTARTED",
  AssignedToUserIDFK: "17,23",
  DateDue: "2026-04-10",
  PercentComplete: 0,
  isCompleteStatus: false,
  Tags: ["print", "urgent"],
};

export const TASK_EVENTS: readonly EventType[] = [
  { code: "task_created", description: "A task was added.", schema, sample },
  {
    code: "task_deleted",
    description: "A task was deleted; the snapshot is its last state.",
    schema,
    sample,
  },
  {
    code: "task_updated",
    description: "A task was changed.",
    schema,
    sample: { ...sample, TaskStatusCode: "COMPLETED", PercentComplete: 100, isCompleteStatus: true },
  },
];
