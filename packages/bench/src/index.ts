export { runBench } from "./main.ts";
export type { Figure } from "./report/results.ts";
export { openRoom } from "./room.ts";
export { QUICK_SIZES } from "./scenario.ts";
export { ingest } from "./scenarios/ingest.ts";
