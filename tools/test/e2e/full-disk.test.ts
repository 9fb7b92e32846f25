import { createPosthasteClient } from "@posthaste/client";
import { type Stack, startStack } from "@posthaste/stack";
import { mountSmallDisk, type Receiver, type SmallDisk, startReceiver } from "@posthaste/testkit";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

/*
 * The disk of SQLite's file is full: every read is answered, and no write. The processes say that the
 * database is unavailable, and go on by themselves when there is room again.
 */

const PATIENCE = { timeout: 60_000, interval: 100 };
const TIMEOUT_MS = 180_000;
/** Room for the tables and some events. */
const DISK_MEBIBYTES = 16;

let disk: SmallDisk | undefined;
let stack: Stack;
let receiver: Receiver;
beforeAll(async () => {
  disk = mountSmallDisk(DISK_MEBIBYTES);
  if (disk === undefined) return;
  receiver = await startReceiver();
  stack = await startStack({ databaseDir: disk.dir });
  await stack.subscribe(receiver.url);
});
afterAll(async () => {
  if (disk === undefined) return;
  disk.free();
  await stack.dispose();
  await receiver.stop();
  disk.remove();
});

const readiness = async (url: string | undefined) => {
  const response = await fetch(`${url}/readyz`);
  const { database, why } = (await response.json()) as { database: string; why?: { database?: string } };
  return [response.status, database, why?.database].filter(Boolean).join(" ");
};

test(
  "on a full disk SQLite is not ready, and no work is set aside that waits for room",
  async ({ skip }) => {
    if (disk === undefined) return skip("this process may not mount a file system");
    const [worker] = stack.workers;
    const client = createPosthasteClient({ baseUrl: stack.apiUrl, token: stack.token, attemptsMax: 1 });
    const ingest = () =>
      client.events.ingestEvent({
        eventType: "invoice_sent",
        snapshot: { case: "dataJson", value: JSON.stringify({ filling: "x".repeat(10_000) }) },
      });
    const accepted = new Set<string>();
    // Pending when the disk is full, and together more writes than fit where the last one did not.
    await worker?.kill();
    for (let n = 0; n < 10; n++) accepted.add((await ingest()).eventId);
    disk.fill();
    // SQLite's log has room from earlier writes.
    const refused = await (async () => {
      for (;;) accepted.add((await ingest()).eventId);
    })().catch((error: unknown) => error);
    expect(String(refused)).toContain("the database is unavailable");
    expect(await readiness(stack.apiUrls[0])).toBe("503 away full");
    await worker?.launch();
    await vi.waitFor(
      async () => expect(await readiness(stack.workerUrls[0])).toBe("503 away full"),
      PATIENCE,
    );
    disk.free();
    accepted.add((await vi.waitFor(ingest, PATIENCE)).eventId);
    await vi.waitFor(() => {
      const received = new Set(receiver.requests.map(({ headers }) => String(headers["webhook-id"])));
      expect([...accepted].filter((id) => !received.has(id))).toEqual([]);
    }, PATIENCE);
    for (const url of [stack.apiUrls[0], stack.workerUrls[0]]) {
      await vi.waitFor(async () => expect(await readiness(url)).toBe("200 ok"), PATIENCE);
    }
    expect(worker?.log()).toContain("SQLITE_FULL");
    expect(worker?.log()).not.toContain('"work.set_aside"');
    await client.close();
  },
  TIMEOUT_MS,
);
