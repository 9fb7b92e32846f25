import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";

/** Additional workflow tasks that do not run a first attempt, such as those of retries and recoveries. */
const BESIDE_ATTEMPTS = 50;
/**
 * What a workflow in memory costs: measured, 45 kB in the heap of the workflows' thread and 25 kB in that of
 * the main thread (docs/capacity.md), and some more for the SDK's own copy of its state.
 */
const WORKFLOW_BYTES = 100_000;
/** The share of a heap that workflows may fill. The rest is for attempts in flight, and for garbage. */
const SHARE = 0.5;
/** The fewest that Temporal's SDK can work with. */
const WORKFLOWS_MIN = 2;

/**
 * Returns how many workflows are in memory at once: those at work, and no more than half a heap holds.
 *
 * A delivery that waits for its retry needs no workflow in memory. Its waits last minutes to hours, an
 * activity makes its attempts, and only the last result moves the workflow again: that costs one replay of a
 * history of some ten events. So the number of deliveries that wait does not count.
 */
export function workflowsAtOnce(firstAttemptsMax: number, heapBytes: number): number {
  const atWork = firstAttemptsMax + BESIDE_ATTEMPTS;
  return Math.max(WORKFLOWS_MIN, Math.min(atWork, Math.floor((heapBytes * SHARE) / WORKFLOW_BYTES)));
}

/** Returns the most that a heap of this process can hold: Node's limit, or the memory of its container. */
export function heapBytesMax(): number {
  // 0 without a container; a value beyond the machine's memory if the container sets no limit.
  const container = process.constrainedMemory() || totalmem();
  return Math.min(getHeapStatistics().heap_size_limit, container, totalmem());
}
