import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { EGRESS_PORTS_DEFAULT, parseNetworks } from "@posthaste/domain";
import { expect, test } from "vitest";
import { createEgress } from "./egress.ts";

const TIMEOUT_MS = 500;
/** Longer than the time and what is given back of it. */
const ASLEEP_MS = 3 * TIMEOUT_MS;

/** A receiver in a thread of its own, that goes on while this one sleeps. */
const RECEIVER = `
  const { createServer } = require("node:http");
  const { parentPort, workerData } = require("node:worker_threads");
  const server = createServer((request, response) => {
    if (workerData.answers) response.end();
  });
  server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;
/** What SIGSTOP does, as far as timers and sockets can tell. */
const freeze = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ASLEEP_MS);

const egress = createEgress({ rules: { allow: parseNetworks("127.0.0.1"), ports: EGRESS_PORTS_DEFAULT } });

test.each([
  ["was never asked in that time", { answers: true, before: true }, "accepted"],
  ["answered in that time", { answers: true, before: false }, "accepted"],
  ["does not answer after that time either", { answers: false, before: false }, "timeout"],
] as const)(
  "where this process slept, a receiver that %s: %o is %s",
  async (_what, { answers, before }, outcome) => {
    const thread = new Worker(RECEIVER, { eval: true, workerData: { answers } });
    try {
      const [port] = await once(thread, "message");
      const result = egress.post({
        url: `http://127.0.0.1:${port}/`,
        headers: {},
        body: Buffer.from("[{}]"),
        acceptance: "OK_ONLY",
        timeoutMs: TIMEOUT_MS,
      });
      // The answer is not read before the sleep: nothing of this process runs between the request's leaving and that.
      if (!before) await new Promise((resolve) => setImmediate(resolve));
      freeze();
      expect(await result).toMatchObject({ outcome });
    } finally {
      await thread.terminate();
    }
  },
);
