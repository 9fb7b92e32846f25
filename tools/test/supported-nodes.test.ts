import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isSupportedNode } from "@posthaste/runtime/supported-node";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isSupported } from "../start/node-version.mjs";
import { otherNode } from "./other-nodes.ts";
import { runUp, type Up, upPorts } from "./run-up.ts";

/*
 * The other tests run on one Node. These run the oldest and the newest supported Node: they start `up`,
 * deliver in each lane, call each service, and stop.
 */

test("package.json, the front door and the services agree on the supported Nodes", async () => {
  const nodes = ["18.20.0", "20.20.2", "21.7.0", "22.18.9", "22.19.0", "22.23.1", "23.11.0"];
  nodes.push("24.0.0", "24.21.0", "25.9.0", "26.0.0", "27.1.0", "30.0.0");
  const supported = ["22.19.0", "22.23.1", "24.0.0", "24.21.0", "26.0.0", "27.1.0", "30.0.0"];
  expect(nodes.filter(isSupported)).toEqual(supported);
  expect(nodes.filter(isSupportedNode)).toEqual(supported);
  const { engines } = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
  expect(engines.node).toBe("^22.19 || ^24 || >=26");
});

let dataDir: string;
let receiver: Receiver;
let up: Up | undefined;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "posthaste-nodes-"));
  receiver = await startReceiver();
});
afterEach(async () => {
  up?.child.kill("SIGTERM");
  await up?.ended;
  await receiver.stop();
  await rm(dataDir, { recursive: true, force: true });
});

test.each(["oldest", "newest"] as const)(
  "the %s supported Node runs everything",
  { timeout: 300_000 },
  async (which) => {
    const node = await otherNode(which);
    const { api, flags } = await upPorts();
    up = runUp(["--demo", "--data", dataDir, ...flags], {}, node);
    await up.says("webhook-attempt: 1");
    const token = up.token();
    const call = async (method: string, request: unknown = {}): Promise<Record<string, unknown>> => {
      const response = await fetch(`http://127.0.0.1:${api}/posthaste.v1.${method}`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify(request),
      });
      expect([method, response.status]).toEqual([method, 200]);
      return (await response.json()) as Record<string, unknown>;
    };

    const { accounts } = (await call("AccountService/ListAccounts")) as { accounts: { id: number }[] };
    expect(accounts).toHaveLength(1);
    await call("SubscriptionService/CreateSubscription", {
      targetUrl: receiver.url,
      eventTypes: ["invoice_sent"],
    });
    for (const [count, lane] of ["LANE_WORKFLOW", "LANE_DIRECT"].entries()) {
      await call("AccountService/SetLane", { accountId: accounts[0]?.id, lane });
      await call("EventIngestService/IngestEvent", {
        eventType: "invoice_sent",
        dataJson: `{"lane":"${lane}"}`,
      });
      await expect.poll(() => receiver.requests.length, { timeout: 60_000 }).toBe(count + 1);
      expect(receiver.requests[count]?.body.toString()).toBe(`[{"lane":"${lane}"}]`);
    }
    await call("DeliveryService/ListDeliveries");
    await call("EventCatalogService/ListEventTypes");
    await call("StatisticsService/GetStatistics");
    await call("InboxService/CreateInbox");
    await call("SessionService/GetSession");

    const { started } = JSON.parse(await readFile(join(dataDir, "run.json"), "utf8")) as {
      started: { name: string; pid: number }[];
    };
    for (const { pid } of started.filter(({ name }) => name !== "Temporal")) {
      expect(String(execFileSync("ps", ["-o", "args=", "-p", String(pid)]))).toContain(node);
    }
    up.child.kill("SIGINT");
    expect(await up.ended).toBe(0);
    for (const name of await readdir(join(dataDir, "logs"))) {
      expect(await readFile(join(dataDir, "logs", name), "utf8"), name).not.toContain("ExperimentalWarning");
    }
    expect(up.output()).not.toContain("Warning");
  },
);
