import type { AccountId } from "@posthaste/domain";
import { type PostResult, RESPONSE_BODY_BYTES_MAX } from "@posthaste/egress";
import { silentLog } from "@posthaste/runtime";
import type { AttemptContext, AttemptLedger, Store } from "@posthaste/store";
import { expect, test } from "vitest";
import { makeAttempt } from "./make-attempt.ts";
import { redactInTurn } from "./redact-in-turn.ts";
import { createShares } from "./shares.ts";

const subscription = {
  targetUrl: "https://yoursite.com/hook",
  headers: {},
  credential: "name:password-1",
  signingKeys: [`whsec_${Buffer.alloc(32).toString("base64")}`],
};
const answer = (bodyBytes: number) => ({
  responseHeaders: [] as [string, string][],
  responseBody: Buffer.from("password-1".padEnd(bodyBytes, ".")),
  responseTruncated: false,
});

test("large answers are redacted in turns of their attempts' accounts, and small ones at once", async () => {
  const sent = [
    ...["a1", "a2", "a3"].map((id) => ({ id, accountId: 1, bodyBytes: RESPONSE_BODY_BYTES_MAX })),
    { id: "b1", accountId: 2, bodyBytes: RESPONSE_BODY_BYTES_MAX },
    { id: "small", accountId: 1, bodyBytes: 100 },
  ];
  const recorded: string[] = [];
  const shown: string[] = [];
  const record: AttemptLedger["record"] = async ({ deliveryId, attempt }) => {
    recorded.push(deliveryId);
    shown.push(Buffer.from(attempt.responseBody).toString().replace(/\.+$/, ""));
    return { kind: "recorded", nextAttemptAt: null };
  };
  const allSent = Promise.withResolvers<void>();
  let asked = 0;
  await Promise.all(
    sent.map(({ id, accountId, bodyBytes }) => {
      // All answers come at once, in this order.
      const egress = async () => {
        asked += 1;
        if (asked === sent.length) allSent.resolve();
        await allSent.promise;
        return { ...answer(bodyBytes), outcome: "accepted", status: 200 } as unknown as PostResult;
      };
      const context = { delivery: { id, accountId }, subscription, event: { id }, body: Buffer.from("[]") };
      const deps = {
        ...{ store: {} as Store, ledger: { record } as AttemptLedger, log: silentLog, egress, now: () => 0 },
        ...{ shares: { first: createShares(1), retries: createShares(1) }, concurrencyDefault: 1 },
      };
      const proven = { ...subscription, isHostProven: true };
      return makeAttempt(deps, { ...context, subscription: proven } as unknown as AttemptContext, {
        number: 1,
        log: silentLog,
      });
    }),
  );
  expect(recorded.indexOf("small")).toBe(0);
  expect(recorded.indexOf("b1")).toBeLessThan(3);
  expect(new Set(shown)).toEqual(new Set(["[redacted]"]));
});

test("few characters of an answer wait, too, if there is much to search for", async () => {
  const order: string[] = [];
  const much = { ...subscription, headers: { "x-token": "t".repeat(4_000) } };
  const redacted = async (name: string, of: typeof subscription) => {
    await redactInTurn(1 as AccountId, answer(100), of);
    order.push(name);
  };
  await Promise.all([redacted("much", much), redacted("little", subscription)]);
  expect(order).toEqual(["little", "much"]);
});
