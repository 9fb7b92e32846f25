import { type AccountId, SCOPES } from "@posthaste/domain";
import { createSubscription } from "@posthaste/store";
import { headers, preface, rawSocket } from "@posthaste/testkit/http2-frames";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

/** Fewer than the answers of a flood, more than a few of them. */
const UNTAKEN_BYTES = 20_000_000;
const FLOOD = 12;

let t: Bench;
/** An account that reads nothing either, but asks for less. */
let other: { readonly accountId: AccountId; readonly token: string };
const ends: (() => void)[] = [];
beforeEach(async () => {
  t = await startBench({ limits: { untakenBytesMax: UNTAKEN_BYTES } });
  other = await t.accountWith(SCOPES);
  await Promise.all([t.accountId, other.accountId].map(subscribeAtLength));
});
afterEach(async () => {
  for (const end of ends.splice(0)) end();
  await t.dispose();
});

/** Subscribes to so much that a list of it, some megabytes, fits in no buffer. */
async function subscribeAtLength(accountId: AccountId) {
  for (let i = 0; i < 60; i++) {
    await createSubscription(t.store, {
      ...{ accountId, credential: null, acceptance: "OK_ONLY", timeoutMs: null, now: 1 },
      targetUrl: `https://yoursite.example/${"x".repeat(1_900)}/${i}`,
      eventTypes: Array.from({ length: 60 }, (_, n) => `type_${n}`),
    });
  }
}

const asks: Record<string, (token: string) => Buffer> = {
  "HTTP/1.1": (token) =>
    Buffer.from(`GET /api/Webhook HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${token}\r\n\r\n`),
  // A window of 16 MiB for the stream; what the connection's window of 64 KiB leaves waits.
  "HTTP/2": (token) =>
    Buffer.concat([
      preface(2 ** 24),
      headers(1, { ":method": "GET", ":path": "/api/Webhook", authorization: `Bearer ${token}` }),
    ]),
};

describe.each(Object.entries(asks))("answers over %s that their callers do not read", (_protocol, ask) => {
  const open = (token: string) => {
    const socket = rawSocket(t.url).pause();
    ends.push(() => socket.destroy());
    socket.write(ask(token));
  };
  /** The accounts whose requests were cut off, one entry for each. */
  const cut = () => {
    const lines = t.logged("request.completed").filter((line) => line["aborted"] === true);
    return lines.map(({ accountId }) => accountId);
  };

  test("hold a bounded part of the memory, and the account with the most loses them", async () => {
    open(other.token);
    await expect.poll(() => t.counters().untaken).toBeGreaterThan(0);
    const ofOne = t.counters().untaken;
    expect((FLOOD + 1) * ofOne).toBeGreaterThan(UNTAKEN_BYTES + ofOne);
    for (let n = 0; n < FLOOD; n++) open(t.token);
    const answered = () => t.counters().admitted + t.logged("request.completed").length;
    await expect.poll(answered).toBe(FLOOD + 1);
    await expect.poll(() => cut().length).toBeGreaterThan(0);
    await expect.poll(() => t.counters().untaken).toBeLessThanOrEqual(UNTAKEN_BYTES);
    expect(new Set(cut())).toEqual(new Set([t.accountId]));
    expect(await t.rest("GET", "/api/Webhook", { token: other.token })).toMatchObject({ status: 200 });
    for (const end of ends.splice(0)) end();
    await expect.poll(() => t.counters().untaken).toBe(0);
  });
});
