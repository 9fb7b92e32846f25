import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import { connectTemporal, inspectDelivery, namesOf } from "@posthaste/delivery/client";
import type { DeliveryId, InstallationId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import { temporalBinary } from "@posthaste/temporal-servers";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { runUp, type Up, upPorts } from "./run-up.ts";

const PATIENCE = { timeout: 90_000, interval: 100 };
const WAITING = 20;

let dir: string;
let receiver: Receiver;
let running: Up | undefined;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "posthaste-up-restart-"));
  receiver = await startReceiver();
});
afterEach(async () => {
  running?.child.kill("SIGKILL");
  await running?.ended;
  await receiver.stop();
  rmSync(dir, { recursive: true, force: true });
});

/**
 * Creates a folder for PATH with the real Temporal server, configured to dispatch every waiting retry again
 * after a restart. By default Temporal repeats only those dispatched since it last saved its progress, which
 * it does once a minute.
 */
async function forgetfulTemporal(): Promise<string> {
  const bin = join(dir, "bin");
  const real = await temporalBinary();
  mkdirSync(bin);
  const script = `#!/bin/sh
case " $* " in
  *" start-dev "*) exec "${real}" "$@" --dynamic-config-value 'matching.updateAckInterval="1h"' ;;
  *) exec "${real}" "$@" ;;
esac
`;
  writeFileSync(join(bin, "temporal"), script);
  chmodSync(join(bin, "temporal"), 0o755);
  return bin;
}

test.each(["workflow", "direct"])(
  "a restart of up on the same data sends no retry early and spends no attempt, in the %s lane",
  { timeout: 400_000 },
  async (lane) => {
    const { api, flags } = await upPorts();
    const data = join(dir, "data");
    const args = ["--data", data, ...flags];
    const env = {
      POSTHASTE_LANE: lane,
      PATH: `${await forgetfulTemporal()}${delimiter}${process.env["PATH"] ?? ""}`,
    };
    const upAgain = async (): Promise<PosthasteClient> => {
      running = runUp(args, env);
      await running.says("Ctrl-C stops everything");
      return createPosthasteClient({ baseUrl: `http://127.0.0.1:${api}`, token: running.token() });
    };
    const down = async (client: PosthasteClient) => {
      await client.close();
      running?.child.kill("SIGINT");
      expect(await running?.ended).toBe(0);
    };
    const waiting = async (client: PosthasteClient) =>
      await vi.waitFor(async () => {
        const { deliveries } = await client.deliveries.listDeliveries({ pageSize: WAITING });
        expect(deliveries.map(({ attempts }) => attempts)).toEqual(Array.from({ length: WAITING }, () => 1));
        return deliveries;
      }, PATIENCE);
    /** Waits until Temporal has scheduled the retry of each delivery more than a minute ahead. */
    const waitingAtTemporal = async (deliveries: readonly { id: string; workflowId: string }[]) => {
      const profile = readFileSync(join(data, "temporal-profile.toml"), "utf8");
      const address = /address = "(.*)"/.exec(profile)?.[1] ?? "";
      const client = connectTemporal({ connectionOptions: { address } });
      for (const { id, workflowId } of deliveries) {
        const names = namesOf(workflowId.split("/")[0] as InstallationId);
        expect(names.delivery(id as DeliveryId)).toBe(workflowId);
        await vi.waitFor(async () => {
          const standing = await inspectDelivery({ client, names }, id as DeliveryId);
          const nextAt = standing.kind === "running" ? (standing.nextAttemptAt ?? 0) : 0;
          expect(nextAt - Date.now()).toBeGreaterThan(MINUTE_MS);
        }, PATIENCE);
      }
      await client.connection.close();
    };
    const dispatchedEarly = () => {
      const log = join(data, "logs", "worker.log");
      return existsSync(log) ? readFileSync(log, "utf8").split('"delivery.early"').length - 1 : 0;
    };

    receiver.answer({ kind: "status", status: 500 });
    const first = await upAgain();
    await first.subscriptions.createSubscription({ targetUrl: receiver.url, eventTypes: ["invoice_sent"] });
    await first.events.ingestEvents({
      events: Array.from({ length: WAITING }, (_, n) => ({
        eventType: "invoice_sent",
        snapshot: { case: "dataJson" as const, value: `{"n":${n}}` },
      })),
    });
    const before = await waiting(first);
    await waitingAtTemporal(before);
    await down(first);

    const second = await upAgain();
    await vi.waitFor(() => {
      expect(dispatchedEarly() + receiver.requests.length).toBeGreaterThanOrEqual(2 * WAITING);
    }, PATIENCE);
    expect(receiver.requests).toHaveLength(WAITING);
    expect(await waiting(second)).toEqual(before);
    await down(second);
  },
);
