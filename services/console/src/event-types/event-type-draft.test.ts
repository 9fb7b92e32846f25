import { create } from "@bufbuild/protobuf";
import { EventTypeSchema } from "@posthaste/contracts/event_catalog";
import { expect, test } from "vitest";
import {
  createRequestOf,
  draftOfType,
  isSame,
  NEW_EVENT_TYPE,
  problemsOfDraft,
  updateRequestOf,
} from "./event-type-draft.ts";

const PARCEL = create(EventTypeSchema, {
  code: "parcel_sent",
  description: "A parcel was sent.",
  schema: { type: "object" },
  sampleJson: '{"ID":12345678901234567890}',
  keys: [{ pointer: "/ID", sensitive: true }],
});

test("an event type becomes a draft, and a draft a request, without a change to the sample's numbers", () => {
  const draft = draftOfType(PARCEL);
  expect(draft.sampleText).toBe('{\n  "ID": 12345678901234567890\n}');
  expect(updateRequestOf(draft)).toEqual({
    code: "parcel_sent",
    description: "A parcel was sent.",
    schema: { type: "object" },
    sampleJson: draft.sampleText,
    keys: { keys: [{ pointer: "/ID", sensitive: true }] },
  });
  expect(isSame(draft, draftOfType(PARCEL))).toBe(true);
  expect(isSame(draft, { ...draft, keys: [] })).toBe(false);
});

test("a new event type needs a code, and begins with texts that fit each other", () => {
  expect(problemsOfDraft(NEW_EVENT_TYPE)).toEqual([
    { field: "code", text: expect.stringContaining("Enter a code") },
  ]);
  expect(problemsOfDraft({ ...NEW_EVENT_TYPE, code: "parcel.sent" })).toEqual([]);
  expect(createRequestOf({ ...NEW_EVENT_TYPE, code: "a", isShared: true })).toMatchObject({
    shared: true,
    keys: [],
  });
});

test("each field that is wrong is named", () => {
  const wrong = { ...NEW_EVENT_TYPE, code: "Parcel", schemaText: "{\n", sampleText: "[]" };
  expect(problemsOfDraft(wrong).map(({ field, line }) => [field, line])).toEqual([
    ["code", undefined],
    ["schema", 2],
    ["sample", 1],
  ]);
});
