import { createPosthasteClient } from "@posthaste/client";
import { expect, test } from "vitest";
import { startBench } from "./fixture.ts";

const CALLERS = 10;

test.each(["connect", "grpc"] as const)(
  "a shutdown under load cuts off no request over %s: every stored event was answered",
  async (protocol) => {
    const t = await startBench();
    const client = createPosthasteClient({ baseUrl: t.url, token: t.token, protocol, attemptsMax: 1 });
    try {
      const answered: string[] = [];
      const callUntilRefused = async () => {
        for (;;) {
          const { eventId } = await client.events.ingestEvent({
            eventType: "invoice_sent",
            snapshot: { case: "dataJson", value: "{}" },
          });
          answered.push(eventId);
        }
      };
      const callers = Array.from({ length: CALLERS }, () => callUntilRefused().catch(() => {}));
      await expect.poll(() => answered.length).toBeGreaterThan(5 * CALLERS);
      await t.stop();
      await Promise.all(callers);
      const stored = await t.store.db.selectFrom("events").select("id").execute();
      expect(stored.map(({ id }) => id).sort()).toEqual(answered.sort());
    } finally {
      await client.close();
      await t.dispose();
    }
  },
);
