import type { AccountId, DeliveryId } from "@posthaste/domain";
import type { AttemptContext } from "@posthaste/store";
import { expect, test, vi } from "vitest";
import { type DeliveryToStart, startDelivery } from "../client/start-delivery.ts";
import type { Temporal } from "../client/temporal.ts";
import { namesOf } from "../names.ts";
import { attemptDelivery } from "./attempt-delivery.ts";
import { attemptDirectly } from "./attempt-directly.ts";
import type { AttemptDeps } from "./make-attempt.ts";
import { createShares } from "./shares.ts";

/*
 * Attempts are loaded in groups in which accounts take turns, so whoever loads one must say whose it is.
 */

const deliveryId = "dlv_1" as DeliveryId;
const accountId = 7 as AccountId;
const NOW = 1_700_000_000_000;

/** Dependencies whose ledger knows a delivery that has ended. */
function setup() {
  const delivery = { id: deliveryId, accountId, state: "succeeded", attempts: 1 };
  const load = vi.fn(async () => ({ delivery, lastAttempt: undefined }) as unknown as AttemptContext);
  const log = { with: () => log, error: vi.fn() };
  const deps = { ledger: { load }, now: () => NOW, log } as unknown as AttemptDeps;
  return { deps, load };
}

test("the direct lane loads a claimed delivery in its account's turn", async () => {
  const { deps, load } = setup();
  expect(await attemptDirectly(deps, { deliveryId, accountId })).toEqual({ kind: "over" });
  expect(load).toHaveBeenCalledExactlyOnceWith(deliveryId, NOW, accountId);
});

test("a workflow is started with its account, and loads its delivery in that account's turn", async () => {
  const { deps, load } = setup();
  const start = vi.fn(async (_type: string, _options: { args: [{ deliveryId: DeliveryId }] }) => {});
  const client = { workflow: { start }, withDeadline: (_: unknown, call: () => unknown) => call() };
  const temporal = { client, names: namesOf("" as never) } as unknown as Temporal;
  const toStart = { deliveryId, accountId, eventType: "invoice_sent", targetUrl: "https://receiver.example" };
  await startDelivery(temporal, toStart as DeliveryToStart);
  const [input] = start.mock.calls[0]?.[1].args ?? [];
  if (input === undefined) throw new Error("no workflow was started");
  const result = await attemptDelivery(deps, input, { number: 1, shares: createShares(1) });
  expect(result).toMatchObject({ state: "succeeded" });
  expect(load).toHaveBeenCalledExactlyOnceWith(deliveryId, NOW, accountId);
});
