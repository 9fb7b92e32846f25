import type { Scenario } from "../scenario.ts";
import { backlog } from "./backlog.ts";
import { deliver } from "./deliver.ts";
import { fanOut } from "./fan-out.ts";
import { growth } from "./growth.ts";
import { ingest } from "./ingest.ts";
import { isolation } from "./isolation.ts";
import { latency } from "./latency.ts";
import { recovery } from "./recovery.ts";

/** All scenarios, in the order in which they run. */
export const SCENARIOS: readonly Scenario[] = [
  ingest,
  deliver,
  latency,
  fanOut,
  isolation,
  growth,
  recovery,
  backlog,
];
