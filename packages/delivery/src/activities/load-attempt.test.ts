import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { DeliveryId } from "@posthaste/domain";
import type { AttemptContext, AttemptLedger } from "@posthaste/store";
import { expect, test } from "vitest";
import { loadAttempt } from "./load-attempt.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

test("an attempt holds the body that it sends, and not the snapshot besides", async () => {
  let snapshot: WeakRef<Uint8Array> | undefined;
  const load = async () => {
    const data = Buffer.alloc(1024 ** 2, "7");
    snapshot = new WeakRef(data);
    return { event: { id: "evt_1", type: "invoice_sent", data } } as unknown as AttemptContext;
  };
  const ledger = { load } as Partial<AttemptLedger> as AttemptLedger;
  const loaded = await loadAttempt({ ledger, now: () => 0 }, "dlv_1" as DeliveryId);
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  expect(snapshot?.deref()).toBeUndefined();
  expect(loaded?.body).toEqual(Buffer.from(`[${"7".repeat(1024 ** 2)}]`));
  expect(loaded?.event).toEqual({ id: "evt_1", type: "invoice_sent" });
});
