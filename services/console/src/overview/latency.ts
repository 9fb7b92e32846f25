import { spelledMs } from "../parts/times.ts";

/**
 * The API estimates latencies from counters, as if attempts were spread evenly between two bounds. Between
 * the last two, 15 s and 30 s, they are not: attempts time out at 15 s by default.
 */
export const KNOWN_MAX_MS = 15_000;

/** Formats an estimated latency. Of one above all that is known, says that. */
export function spelledLatency(ms: number): string {
  return ms > KNOWN_MAX_MS ? `over ${spelledMs(KNOWN_MAX_MS)}` : spelledMs(ms);
}
