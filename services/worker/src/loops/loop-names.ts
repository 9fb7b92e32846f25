/** The worker's loops: their names in log lines, and the label `loop` of metrics. */
export const LOOP_NAMES = [
  "dispatcher",
  "failing_dispatcher",
  "direct_dispatcher",
  "upkeep",
  "workflow_starter",
  "change_orderer",
  "change_counter",
  "retention_scheduler",
  "reconciler",
] as const;
export type LoopName = (typeof LOOP_NAMES)[number];
