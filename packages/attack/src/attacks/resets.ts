import { headers, preface, reset } from "@posthaste/testkit/http2-frames";
import { type Attack, every } from "../strike.ts";
import { headsOf } from "./routes.ts";

/** New connections: 20 a second. */
const EVERY_MS = 50;
/** Fewer than a session allows at once, and now and then many more. */
const STREAMS = [50, 50, 50, 50, 50, 50, 50, 50, 50, 1_000] as const;
/** Some send nothing for this long after they have begun to speak HTTP/2. */
const BEGUN_BEFORE_MS = [0, 300] as const;
/** RFC 9113, section 7: NO_ERROR, INTERNAL_ERROR, STREAM_CLOSED, CANCEL, ENHANCE_YOUR_CALM. */
const CODES = [0, 2, 5, 8, 11] as const;

/** Opens streams, many at once now and then, and resets them in the same write, then leaves or stays. */
export const resets: Attack = async ({ target, random, signal, tally, open }) => {
  const heads = headsOf(target);
  for await (const _ of every(EVERY_MS, signal)) {
    const socket = open();
    if (socket === undefined) continue;
    const streams = random.pick(STREAMS);
    const frames: Buffer[] = [];
    for (let stream = 1; stream < 2 * streams; stream += 2) {
      frames.push(headers(stream, random.pick(heads), random.pick([true, false])));
      frames.push(reset(stream, random.pick(CODES)));
    }
    tally.requests += streams;
    const leave = random.pick(["reset", "end", "stay"]);
    const storm = () =>
      socket.write(Buffer.concat(frames), () => {
        if (leave === "reset") socket.resetAndDestroy();
        if (leave === "end") socket.end();
      });
    socket.write(preface(random.pick([0, 65_535])));
    const begunBeforeMs = random.pick(BEGUN_BEFORE_MS);
    if (begunBeforeMs === 0) storm();
    else setTimeout(storm, begunBeforeMs);
  }
};
