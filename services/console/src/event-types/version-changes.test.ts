import { create } from "@bufbuild/protobuf";
import { EventTypeSchema } from "@posthaste/contracts/event_catalog";
import { expect, test } from "vitest";
import { changesBetween } from "./version-changes.ts";

const version = (over: object = {}) =>
  create(EventTypeSchema, {
    description: "Sent.",
    schema: { type: "object", properties: { ID: { type: "integer" } } },
    sampleJson: '{"ID":1}',
    keys: [{ pointer: "/ID", sensitive: false }],
    ...over,
  });

test("two versions that are the same have no changes, however their samples are spaced", () => {
  expect(changesBetween(version(), version({ sampleJson: '{ "ID": 1 }' }))).toEqual([]);
});

test("the parts that differ are told by their lines", () => {
  const after = version({
    description: "Sent by post.",
    sampleJson: '{"ID":1,"To":"me"}',
    keys: [{ pointer: "/ID", sensitive: true }],
  });
  expect(changesBetween(version(), after)).toEqual([
    {
      part: "Description",
      lines: [
        { kind: "removed", text: "Sent." },
        { kind: "added", text: "Sent by post." },
      ],
    },
    {
      part: "Sample",
      lines: [
        { kind: "same", text: "{" },
        { kind: "removed", text: '  "ID": 1' },
        { kind: "added", text: '  "ID": 1,' },
        { kind: "added", text: '  "To": "me"' },
        { kind: "same", text: "}" },
      ],
    },
    {
      part: "Keys",
      lines: [
        { kind: "removed", text: "/ID" },
        { kind: "added", text: "/ID (personal data)" },
      ],
    },
  ]);
});

test("unchanged lines far from a change are left out", () => {
  const sample = (last: number) => JSON.stringify({ list: Array.from({ length: 30 }, (_, i) => i), last });
  const [change] = changesBetween(version({ sampleJson: sample(1) }), version({ sampleJson: sample(2) }));
  expect(change?.lines?.map(({ kind, text }) => (kind === "gap" ? text : kind))).toEqual([
    ...["30 unchanged lines", "same", "same", "same", "removed", "added", "same"],
  ]);
});

test("a part that is new or gone is added or removed as a whole", () => {
  const [change] = changesBetween(version({ keys: [] }), version());
  expect(change).toEqual({ part: "Keys", lines: [{ kind: "added", text: "/ID" }] });
});

test("texts that have nothing in common are not compared line by line", () => {
  const sample = (start: number) =>
    JSON.stringify({ list: Array.from({ length: 5_000 }, (_, i) => start + i) });
  const [change] = changesBetween(version({ sampleJson: sample(0) }), version({ sampleJson: sample(9_000) }));
  expect(change).toEqual({ part: "Sample", lines: undefined });
});
