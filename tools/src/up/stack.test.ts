import { expect, test } from "vitest";
import { egressAllow } from "./stack.ts";
import { welcome } from "./welcome.ts";

const PLACES = {
  apiUrl: "http://127.0.0.1:1",
  temporalUi: "",
  apiMetrics: "",
  workerMetrics: "",
  token: "pht_x",
  dataDir: "/data",
  demo: false,
};

test.each([
  [undefined, "127.0.0.0/8,::1/128", "the public internet and 127.0.0.0/8,::1/128 (POSTHASTE_EGRESS_ALLOW)"],
  ["", "", "the public internet only (POSTHASTE_EGRESS_ALLOW)"],
  ["10.1.0.0/16", "10.1.0.0/16", "the public internet and 10.1.0.0/16 (POSTHASTE_EGRESS_ALLOW)"],
])("with POSTHASTE_EGRESS_ALLOW=%j, up lets deliveries reach %j in addition", (given, allow, says) => {
  const found = egressAllow({ POSTHASTE_EGRESS_ALLOW: given });
  expect(found).toBe(allow);
  expect(welcome({ ...PLACES, egressAllow: found })).toContain(`Deliveries reach  ${says}`);
});

test("up advises a receiver on this machine only if deliveries reach it", () => {
  const advice = (allow: string) => welcome({ ...PLACES, egressAllow: allow });
  expect(advice("127.0.0.0/8")).toContain("To receive on this machine, start a receiver");
  expect(advice("")).not.toContain("127.0.0.1:9000");
  expect(advice("")).toContain("start with\nPOSTHASTE_EGRESS_ALLOW=127.0.0.0/8");
});
