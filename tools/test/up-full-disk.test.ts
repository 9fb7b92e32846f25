import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createPosthasteClient } from "@posthaste/client";
import { connectTemporal } from "@posthaste/delivery/client";
import { mountSmallDisk, type Receiver, type SmallDisk, startReceiver } from "@posthaste/testkit";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { runUp, type Up, upPorts } from "./run-up.ts";

/* The disk of `up`'s folder is full, which has both databases and all logs. */

const PATIENCE = { timeout: 90_000, interval: 100 };
/** Room for both databases and some events. */
const DISK_MEBIBYTES = 16;
const FILLING = "x".repeat(100_000);

let disk: SmallDisk | undefined;
let receiver: Receiver;
let running: Up | undefined;
beforeAll(async () => {
  disk = mountSmallDisk(DISK_MEBIBYTES);
  receiver = await startReceiver();
});
afterAll(async () => {
  running?.child.kill("SIGKILL");
  await running?.ended;
  await receiver.stop();
  disk?.remove();
});

/** Gives Temporal work until it has no room for it. */
async function fillTemporal(dataDir: string): Promise<void> {
  const [log, profile] = ["logs/temporal.log", "temporal-profile.toml"].map((name) => join(dataDir, name));
  const address = /address = "(.*)"/.exec(readFileSync(String(profile), "utf8"))?.[1] ?? "";
  const client = connectTemporal({ connectionOptions: { address } });
  const start = () =>
    client.workflow.start("nobodys", {
      taskQueue: "nobody-polls",
      workflowId: randomUUID(),
      args: [FILLING],
    });
  await vi.waitFor(() => {
    // A call that is refused is repeated for a while.
    void start().catch(() => {});
    expect(readFileSync(String(log), "utf8")).toContain("disk is full");
  }, PATIENCE);
  await client.connection.close();
}

test("up, and its Temporal, outlive a full disk and go on by themselves", {
  timeout: 400_000,
}, async ({ skip }) => {
  if (disk === undefined) return skip("this process may not mount a file system");
  const dataDir = join(disk.dir, "data");
  const { api, flags } = await upPorts();
  const baseUrl = `http://127.0.0.1:${api}`;
  running = runUp(["--data", dataDir, ...flags]);
  await running.says("Ctrl-C stops everything");
  const client = createPosthasteClient({ baseUrl, token: running.token(), attemptsMax: 1 });
  const ingest = async () =>
    await client.events.ingestEvent({
      eventType: "invoice_sent",
      snapshot: { case: "dataJson", value: JSON.stringify({ filling: FILLING }) },
    });
  await client.subscriptions.createSubscription({ targetUrl: receiver.url, eventTypes: ["invoice_sent"] });
  disk.fill();
  const refused = await (async () => {
    for (;;) await ingest();
  })().catch((error: unknown) => error);
  expect(String(refused)).toContain("the database is unavailable");
  await fillTemporal(dataDir);

  disk.free();
  const { eventId } = await vi.waitFor(ingest, PATIENCE);
  await vi.waitFor(() => {
    expect(receiver.requests.map(({ headers }) => headers["webhook-id"])).toContain(eventId);
  }, PATIENCE);
  await vi.waitFor(async () => expect((await fetch(`${baseUrl}/readyz`)).status).toBe(200), PATIENCE);
  await client.close();
  running.child.kill("SIGINT");
  expect(await running.ended).toBe(0);

  // Not even the file that claims the folder fits.
  disk.fill();
  running = runUp(["--data", dataDir, ...flags]);
  expect(await running.ended).toBe(1);
  expect(running.output()).toBe(
    `posthaste: the disk of ${dataDir} is full: make room, or choose another folder with --data\n`,
  );
});
