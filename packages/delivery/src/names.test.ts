import type { DeliveryId, ErasureId, InstallationId, RecoveryId } from "@posthaste/domain";
import { expect, test } from "vitest";
import { namesOf, retryQueueBeside } from "./names.ts";

/** Every name of an installation. */
const all = (installation: string) => {
  const { taskQueue, retryQueue, retentionSchedule, deployment, ...ids } = namesOf(
    installation as InstallationId,
  );
  return {
    ...{ taskQueue, retryQueue, retentionSchedule, deployment },
    delivery: ids.delivery("dlv_1" as DeliveryId),
    recovery: ids.recovery(1 as RecoveryId),
    erasure: ids.erasure(1 as ErasureId),
  };
};

test("no name of one installation is a name of another", () => {
  const names = ["", "b2c3d4f5", "b2c3d4f6"].flatMap((installation) => Object.values(all(installation)));
  expect(new Set(names).size).toBe(names.length);
});

test("an installation that is older than the ids keeps the names that its open workflows have", () => {
  expect(all("")).toEqual({
    taskQueue: "posthaste-deliveries",
    retryQueue: "posthaste-retries",
    retentionSchedule: "posthaste-retention",
    deployment: "posthaste",
    delivery: "delivery/dlv_1",
    recovery: "recovery/1",
    erasure: "erasure/1",
  });
});

test.each(["", "b2c3d4f5"])("a workflow finds its retries' task queue, with the id '%s'", (installation) => {
  const { taskQueue, retryQueue } = namesOf(installation as InstallationId);
  expect(retryQueueBeside(taskQueue)).toBe(retryQueue);
});
