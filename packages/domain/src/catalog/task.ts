import type { EventType } from "../event-type.ts";
import { date, flag, id, keys, list, reference, snapshotSchema, text } from "./snapshot-schema.ts";

const schema = snapshotSchema("Task", ["TaskID", "Title"], {
  TaskID: id("The task's ID."),
  Title: text("The task's title."),
  ProjectIDFK: reference("The ID of the task's project."),
  SectionIDFK: reference("The ID of the task's section in the project."),
  TaskStatusCode: text("The task's status, such as NOTSTARTED or COMPLETED."),
  AssignedToUserIDFK: text("The IDs of the assigned users, as a comma-separated string."),
  DateDue: date("The due date."),
  PercentComplete: {
    description: "The progress, 0 to 100 per cent.",
    type: ["number", "null"],
    minimum: 0,
    maximum: 100,
  },
  isCompleteStatus: flag("Whether the task's status counts as complete."),
  Tags: list("The task's tags.", { type: "string" }),
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

const IDENTIFYING = keys("TaskID", "ProjectIDFK");

export const TASK_EVENTS: readonly EventType[] = [
  { code: "task_created", description: "A task was added.", schema, keys: IDENTIFYING, sample },
  {
    code: "task_deleted",
    description: "A task was deleted; the snapshot is its last state.",
    schema,
    keys: IDENTIFYING,
    sample,
  },
  {
    code: "task_updated",
    description: "A task was changed.",
    schema,
    keys: IDENTIFYING,
    sample: { ...sample, TaskStatusCode: "COMPLETED", PercentComplete: 100, isCompleteStatus: true },
  },
];
