import { expect, onTestFinished, test } from "vitest";
import { startBenchReceiver } from "./receiver.ts";

const WITHIN = { withinMs: 20_000 };

test("each path has its own answer and count, and can be waited for", async () => {
  const receiver = await startBenchReceiver();
  onTestFinished(() => receiver.stop());
  const post = (url: string, eventId: string) =>
    fetch(url, { method: "POST", headers: { "webhook-id": eventId } });
  const sentAt = Date.now();
  const waiting = receiver.waitFor(2, WITHIN);
  expect((await post(receiver.url("ok"), "evt_1")).status).toBe(200);
  expect((await post(receiver.url("fail", 7), "evt_2")).status).toBe(500);
  expect((await post(receiver.url("ok", 3), "evt_1")).status).toBe(200);
  await waiting;
  await receiver.waitFor(1, { ...WITHIN, behaviour: "fail" });
  expect(await receiver.count("ok")).toBe(2);

  const arrivals = await receiver.arrivals();
  expect([...arrivals.keys()]).toEqual(["evt_1"]);
  expect(arrivals.get("evt_1")).toBeGreaterThan(sentAt - 100);
  expect(arrivals.get("evt_1")).toBeLessThan(Date.now() + 100);
  expect((await post(`${receiver.origin}/elsewhere`, "evt_3")).status).toBe(404);

  await expect(receiver.waitFor(3, { withinMs: 20 })).rejects.toThrow("2 of 3 requests arrived within 20 ms");
  await receiver.reset();
  expect(await receiver.count("ok")).toBe(0);
  await receiver.heal();
  expect((await post(receiver.url("fail"), "evt_4")).status).toBe(200);
});

test("a path that hangs never answers", async () => {
  const receiver = await startBenchReceiver();
  onTestFinished(() => receiver.stop());
  const call = fetch(receiver.url("hang"), { method: "POST", signal: AbortSignal.timeout(1_000) });
  await receiver.waitFor(1, { ...WITHIN, behaviour: "hang" });
  await expect(call).rejects.toThrow("timeout");
});
