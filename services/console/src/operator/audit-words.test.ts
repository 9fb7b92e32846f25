import { create } from "@bufbuild/protobuf";
import { AuditActorKind, AuditActorSchema, AuditSubject } from "@posthaste/contracts/account";
import { expect, test } from "vitest";
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
    { field: "rate", before: '{"per":1}' },
    { field: "state", before: "ACTIVE", after: "PAUSED" },
  ]);
  expect(changesOf("", "")).toEqual([]);
});

test("what an entry says that is no JSON is shown as it is", () => {
  expect(changesOf("", "oops")).toEqual([{ field: "", after: "oops" }]);
});
