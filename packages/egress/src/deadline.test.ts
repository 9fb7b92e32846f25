import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { type AccountId, EGRESS_PORTS_DEFAULT, parseNetworks } from "@posthaste/domain";
import { expect, test } from "vitest";
import { createEgress } from "./egress.ts";

const ACCOUNT = 1 as AccountId;
const TIMEOUT_MS = 500;
/** Longer than the deadline and its extension together. */
const ASLEEP_MS = 3 * TIMEOUT_MS;

/** A receiver in another thread, which runs while this thread is frozen. */
const RECEIVER = `
  const { createServer } = require("node:http");
  const { parentPort, workerData } = require("node:worker_threads");
  const server = createServer((request, response) => {
    if (workerData.answers) response.end();
  });
  server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;
/** Freezes this thread. For timers and sockets, the effect is that of SIGSTOP. */
const freeze = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ASLEEP_MS);

const egress = createEgress({
  rules: { allow: parseNetworks("127.0.0.1"), deny: [], ports: EGRESS_PORTS_DEFAULT },
});

test.each([
  ["did not get the request before the freeze", { answers: true, before: true }, "accepted"],
  ["answered during the freeze", { answers: true, before: false }, "accepted"],
  ["does not answer after the freeze either", { answers: false, before: false }, "timeout"],
] as const)(
  "after this process was frozen, the outcome of a receiver that %s (%o) is %s",
  async (_what, { answers, before }, outcome) => {
    const thread = new Worker(RECEIVER, { eval: true, workerData: { answers } });
    try {
      const [port] = await once(thread, "message");
      const result = egress.post({
        url: `http://127.0.0.1:${port}/`,
        headers: {},
        body: Buffer.from("[{}]"),
        acceptance: "OK_ONLY",
        accountId: ACCOUNT,
        timeoutMs: TIMEOUT_MS,
      });
      // Nothing else runs in this process between the request and the freeze, so the response is read only
      // afterwards.
      if (!before) await new Promise((resolve) => setImmediate(resolve));
      freeze();
      expect(await result).toMatchObject({ outcome });
    } finally {
      await thread.terminate();
    }
  },
);
