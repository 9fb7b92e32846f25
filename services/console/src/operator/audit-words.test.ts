import { create } from "@bufbuild/protobuf";
import { AuditActorKind, AuditActorSchema, AuditSubject } from "@posthaste/contracts/account";
import { expect, test } from "vitest";
import { timeToSecond } from "../parts/times.ts";
import { actionName, actorName, changesOf, isCount } from "./audit-words.ts";

test("an RPC is said in words, and a route and a command as they are", () => {
  expect(actionName("posthaste.v1.SubscriptionService/PauseSubscription")).toBe("Pause subscription");
  expect(actionName("DELETE /api/Webhook/:id")).toBe("DELETE /api/Webhook/:id");
  expect(actionName("npm run token -- revoke")).toBe("npm run token -- revoke");
});

test("a recovery that only counts is told from one that sends", () => {
  const recovery = (afterJson: string) => isCount({ subject: AuditSubject.RECOVERY, afterJson });
  expect(recovery('{"kind":"recover","dry_run":true}')).toBe(true);
  expect(recovery('{"state":"cancelled","dry_run":true}')).toBe(true);
  expect(recovery('{"kind":"recover","dry_run":false}')).toBe(false);
  expect(recovery('{"state":"cancelled"}')).toBe(false);
  expect(isCount({ subject: AuditSubject.SUBSCRIPTION, afterJson: '{"dry_run":true}' })).toBe(false);
});

test("an actor is named by the token that was used", () => {
  const token = create(AuditActorSchema, {
    ...{ kind: AuditActorKind.TOKEN, accountId: 1, tokenName: "ops", tokenHint: "pht_abc" },
  });
  expect(actorName(token)).toBe("ops (pht_abc…) of account 1");
  expect(actorName(undefined)).toBe("unknown");
});

test("each field comes with what it was and what it is", () => {
  expect(changesOf('{"state":"ACTIVE","rate":{"per":1}}', '{"state":"PAUSED","name":"x"}')).toEqual([
    { field: "name", after: "x" },
    { field: "rate", before: "per 1" },
    { field: "state", before: "ACTIVE", after: "PAUSED" },
  ]);
  expect(changesOf("", "")).toEqual([]);
});

test("lists, times and lengths of time are said in words, and none of them less exactly", () => {
  const said = (fields: object) => changesOf("", JSON.stringify(fields)).map(({ after }) => after);
  const filter = { states: ["started", "exhausted"], statuses: [500], event_types: [] };
  expect(said({ filter })).toEqual(["states started, exhausted; statuses 500"]);
  expect(said({ filter: {} })).toEqual(["none"]);
  expect(said({ since: "1970-01-01T00:00:00.000Z" })).toEqual(["the beginning"]);
  expect(said({ until: "2026-11-28T14:05:09.000Z" })).toEqual([
    timeToSecond(Date.UTC(2026, 10, 28, 14, 5, 9)),
  ]);
  expect(said({ session_ms: 3_600_000 })).toEqual(["1 h"]);
  expect(said({ timeout_ms: 15_550 })).toEqual(["15,550 ms"]);
  expect(said({ expires_at: null, dry_run: true })).toEqual(["true", "none"]);
});

test("what a customer wrote is shown as it is", () => {
  const metadata = '{"since":"2026-11-28T14:05:09.000Z; team: b"}';
  expect(changesOf("", `{"metadata":${metadata},"name":"2026-11-28"}`)).toEqual([
    { field: "metadata", after: metadata },
    { field: "name", after: "2026-11-28" },
  ]);
});

test("what an entry says that is no JSON is shown as it is", () => {
  expect(changesOf("", "oops")).toEqual([{ field: "", after: "oops" }]);
});
