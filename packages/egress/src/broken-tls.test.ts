import { type AccountId, EGRESS_PORTS_DEFAULT, parseNetworks } from "@posthaste/domain";
import { type Behaviour, certificateFor, startReceiver } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { createEgress } from "./egress.ts";

/** Attempts at once: their connections end in different turns of the event loop. */
const AT_ONCE = 20;

test.each<readonly [string, Behaviour]>([
  ["resets", { kind: "reset" }],
  ["closes", { kind: "close" }],
  ["no HTTP", { kind: "garbage" }],
  ["answers in drips", { kind: "drip", status: 200, everyMs: 50 }],
  ["silence", { kind: "hang" }],
])("%s of receivers over TLS end their attempt, and nothing else", async (_what, behaviour) => {
  const tls = await certificateFor("127.0.0.1");
  const receiver = await startReceiver({ tls });
  const egress = createEgress({
    rules: { allow: parseNetworks("127.0.0.0/8"), deny: [], ports: EGRESS_PORTS_DEFAULT },
    ca: tls.cert,
  });
  try {
    // One in two is accepted, so that connections are reused.
    receiver.answer((_request, n) => (n % 2 === 0 ? { kind: "status", status: 200 } : behaviour));
    const attempt = (n: number) =>
      egress.post({
        accountId: 1 as AccountId,
        url: `${receiver.url}/${n}`,
        headers: {},
        body: Buffer.from("[{}]"),
        acceptance: "OK_ONLY",
        timeoutMs: 300,
      });
    for (let round = 0; round < 3; round++) {
      const outcomes = await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => attempt(n)));
      expect(outcomes).toHaveLength(AT_ONCE);
    }
  } finally {
    egress.close();
    await receiver.stop();
  }
});
