import { create } from "@bufbuild/protobuf";
import { AuditActorKind, AuditActorSchema } from "@posthaste/contracts/account";
import { expect, test } from "vitest";
import { actionName, actorName, changesOf } from "./audit-words.ts";

test("an RPC is said in words, and a route and a command as they are", () => {
  expect(actionName("posthaste.v1.SubscriptionService/PauseSubscription")).toBe("Pause subscription");
  expect(actionName("DELETE /api/Webhook/:id")).toBe("DELETE /api/Webhook/:id");
  expect(actionName("npm run token -- revoke")).toBe("npm run token -- revoke");
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
