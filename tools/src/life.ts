import { life } from "@posthaste/life";
import { runMain } from "@posthaste/runtime/terminal";
import { listenForStop, untilStopped } from "./terminal/stop-signal.ts";

await runMain(async () => {
  const signal = listenForStop();
  return await Promise.race([life(process.argv.slice(2)), untilStopped(signal)]);
});
