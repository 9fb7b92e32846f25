import { expect, test } from "vitest";
import { repositoryFiles } from "../../src/repository/files.ts";

/**
 * The fields of the contracts that have 32 bits, by name, with what bounds them. A field with another name
 * fails the test below: whatever counts deliveries, events or attempts needs 64 bits.
 */
const BOUNDED: Readonly<Record<string, string>> = {
  id: "`contractIdOf` in the store refuses the row after the last",
  account_id: "an id",
  subscription_id: "an id",
  token_account_id: "an id",
  recovery_id: "an id",
  page_size: "validated",
  rate_per_second: "validated",
  concurrency: "validated",
  burst: "validated",
  version: "at most 1,000 of an event type",
  number: "an attempt's, from 1 to 14",
  attempts: "of a delivery, at most 14; of a subscription's newest 500 deliveries, at most 7,000",
  accepted: "of a subscription's newest 500 deliveries",
  attempts_min: "validated",
  status: "an HTTP status",
  statuses: "HTTP statuses",
  last_status: "an HTTP status",
  delivery_count: "created in one ingest call, at most 1,000",
  subscriptions: "the count stops at 1,000",
  failing: "the count stops at 1,000",
  tokens: "the count stops at 1,000",
  portal_sessions: "the count stops at 1,000",
  portal_links: "the count stops at 1,000",
  recoveries: "at most ten of an account",
  retrying: "the count stops at 10,000",
  data_bytes: "of a snapshot, at most 1,048,576",
  pending: "the count stops at 10,000",
  started: "the count stops at 10,000",
  parked: "the count stops at 10,000",
};

const MESSAGE = /^message (\w+)/;
const NARROW = /^\s*(?:optional |repeated )?(?:u?int32|sint32|s?fixed32|float) (\w+) =/;

test("every 32-bit field of the contracts is bounded", () => {
  const seen = new Set<string>();
  const unbounded: string[] = [];
  for (const { path, text } of repositoryFiles()) {
    if (!path.startsWith("proto/posthaste/")) continue;
    let message = "";
    for (const line of text.split("\n")) {
      message = MESSAGE.exec(line)?.[1] ?? message;
      const field = NARROW.exec(line)?.[1];
      if (field === undefined) continue;
      seen.add(field);
      if (!(field in BOUNDED)) unbounded.push(`${path}: ${message}.${field}`);
    }
  }
  expect(unbounded).toEqual([]);
  expect(Object.keys(BOUNDED).filter((field) => !seen.has(field))).toEqual([]);
});
