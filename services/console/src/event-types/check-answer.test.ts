import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "@posthaste/contracts/error-details";
import { describe, expect, test } from "vitest";
import { answerOfError } from "./check-answer.ts";
import { NEW_EVENT_TYPE } from "./event-type-draft.ts";

const refusal = (message: string, reason: string, fields: [string, string][], code = Code.InvalidArgument) =>
  new ConnectError(message, code, undefined, [
    { desc: ErrorInfoSchema, value: { reason, domain: "posthaste", metadata: {} } },
    {
      desc: BadRequestSchema,
      value: { fieldViolations: fields.map(([field, description]) => ({ field, description })) },
    },
  ]);
const answer = (error: unknown) => answerOfError(error, NEW_EVENT_TYPE);

test("breaks are told with their places, and that there may be more than the API names", () => {
  const fields = ["/Carrier was removed", "the snapshot may now be null (was object)"];
  const refused = (words: string[]) =>
    refusal(
      "receivers …",
      "SCHEMA_BREAKS",
      words.map((word) => ["schema", word]),
      Code.FailedPrecondition,
    );
  expect(answer(refused(fields))).toEqual({
    kind: "breaks",
    breaks: [
      { place: "/Carrier", text: "was removed" },
      { place: "", text: "the snapshot may now be null (was object)" },
    ],
    mayBeMore: false,
  });
  expect(answer(refused(Array(10).fill(fields[0])))).toMatchObject({ mayBeMore: true });
});

describe("what is wrong is told at its field", () => {
  test("and at the line of its place", () => {
    const message = "schema: /properties/ID/nulable is not a supported keyword";
    expect(answer(refusal(message, "SCHEMA_INVALID", [["schema", message]]))).toEqual({
      kind: "wrong",
      problem: {
        field: "schema",
        text: "The schema: /properties/ID/nulable is not a supported keyword.",
        line: 7,
      },
    });
  });

  test("though the API calls the fields by other names", () => {
    const sample = "sample_json does not match the schema: /ID must be string";
    expect(answer(refusal(sample, "SCHEMA_INVALID", [["sample_json", sample]]))).toMatchObject({
      problem: {
        field: "sample",
        line: 2,
        text: "The sample does not match the schema: /ID must be string.",
      },
    });
    const key = "keys.keys[0].pointer is not a JSON Pointer";
    expect(answer(refusal(key, "INVALID", [["keys.keys[0].pointer", key]]))).toMatchObject({
      problem: { field: "keys" },
    });
  });
});

test("that nothing was checked is told", () => {
  const busy = new ConnectError("too many calls wait; send fewer at once", Code.ResourceExhausted);
  expect(answer(busy)).toEqual({
    kind: "unchecked",
    text: "This was not checked. Too many calls wait; send fewer at once.",
  });
  expect(answer(new ConnectError("others are changing it", Code.Aborted)).kind).toBe("unchecked");
});
