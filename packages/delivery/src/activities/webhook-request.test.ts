import type { AttemptContext } from "@posthaste/store";
import { afterEach, expect, test, vi } from "vitest";
import { webhookHeaders } from "./webhook-request.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const NOW = 1_700_000_000_000;
const KEY = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;

function headersOf(accountId: number, bytes: number): Promise<Record<string, string>> {
  const context = {
    delivery: { id: "dlv_1", accountId, isTest: false },
    event: { id: "evt_1", type: "invoice_sent" },
    subscription: { headers: {}, credential: null, signingKeys: [KEY] },
    body: Buffer.alloc(bytes, "7"),
  };
  return webhookHeaders(context as unknown as AttemptContext, {
    ...{ number: 1, nowMs: NOW, userAgent: "test" },
  });
}

test("a small body is signed beside at most two large ones, and large ones in turns of their accounts", async () => {
  const { sign } = crypto.subtle;
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  vi.spyOn(crypto.subtle, "sign").mockImplementation(async (...[scheme, key, content]) => {
    begun.push(content.byteLength);
    if (content.byteLength > 100_000) await new Promise<void>((resolve) => ends.push(resolve));
    return await sign.call(crypto.subtle, scheme as string, key, content);
  });
  const ofOne = Array.from({ length: 20 }, () => headersOf(1, 900_000));
  const large = Promise.all([...ofOne, headersOf(2, 500_000)]);
  const small = await headersOf(3, 10);
  expect(small["webhook-signature"]).toMatch(/^v1,/);
  await new Promise(setImmediate);
  expect(begun.filter((bytes) => bytes > 100_000)).toHaveLength(2);
  let isOver = false;
  const over = large.then(() => {
    isOver = true;
  });
  while (!isOver) {
    ends.shift()?.();
    await new Promise(setImmediate);
  }
  await over;
  const signedBytes = begun.filter((bytes) => bytes > 100_000);
  expect(signedBytes).toHaveLength(21);
  expect(signedBytes.findIndex((bytes) => bytes < 900_000)).toBe(3);
});
