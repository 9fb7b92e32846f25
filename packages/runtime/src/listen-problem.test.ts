import { createServer } from "node:net";
import { expect, test } from "vitest";
import { listenProblem, StartError } from "./config.ts";
import { silentLog } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import { readinessOf } from "./readiness.ts";
import { serveOperators } from "./serve-operators.ts";

const settings = { host: "THE_HOST", port: "THE_PORT" };

/** Returns the error of a server that listens there. */
async function problemAt(host: string, port = 0): Promise<unknown> {
  const place = { host, port, settings };
  try {
    const parts = { metrics: createMetrics().render, readiness: async () => readinessOf({}) };
    await (await serveOperators(place, { ...parts, log: silentLog })).stop();
  } catch (error) {
    return error;
  }
  throw new Error("it listens");
}

test.each([
  ["192.0.2.1", "192.0.2.1 is not an address of this machine: set THE_HOST to one of its own"],
  ["fe80::1", "fe80::1 is not an address of this machine: set THE_HOST to one of its own"],
  [
    `${"x".repeat(64)}.example`,
    `there is no address for the name ${"x".repeat(64)}.example (ENOTFOUND): set THE_HOST to an address`,
  ],
])("a server that cannot listen on %s names the setting of its address", async (host, message) => {
  const error = await problemAt(host);
  expect(error).toBeInstanceOf(StartError);
  expect((error as Error).message).toBe(message);
});

test("a server whose port is in use names the setting of its port", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const address = other.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  expect(String(await problemAt("127.0.0.1", port))).toBe(
    `StartError: port ${port} is in use: choose another with THE_PORT`,
  );
  other.close();
});

test("a port that only root may use names its setting, and another error stays as it is", () => {
  const place = { host: "127.0.0.1", port: 80, settings };
  // Tests may run as root, to whom no port is refused.
  expect(String(listenProblem(Object.assign(new Error("listen"), { code: "EACCES" }), place))).toBe(
    "StartError: this user may not listen on port 80: choose one from 1024 with THE_PORT",
  );
  const other = new Error("other");
  expect(listenProblem(other, place)).toBe(other);
});
