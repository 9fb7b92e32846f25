import { type LifeOptions, liveMonths } from "./live-months.ts";
import type { Measurement } from "./measurement.ts";

/*
 * The process that lives: nothing else is in its memory, so its memory can be measured. It gets its options
 * as its argument, and sends lines of progress and then the measurements to its parent.
 */

/** What this process sends. */
export type Message = { readonly note: string } | { readonly measurements: readonly Measurement[] };

const options = JSON.parse(process.argv[2] ?? "") as LifeOptions;
const send = (message: Message) => process.send?.(message);
send({ measurements: await liveMonths(options, (note) => send({ note })) });
process.disconnect();
