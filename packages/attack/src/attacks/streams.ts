import { data, headers, preface } from "@posthaste/testkit/http2-frames";
import { type Attack, every } from "../strike.ts";
import { enveloped, field, rpcHead } from "./routes.ts";

/** New connections: 10 a second. */
const EVERY_MS = 100;
/** Streams on each. */
const STREAMS = 20;

/** Questions without end are reflection's; each asks for everything. */
const LIST_SERVICES = Buffer.concat(Array<Buffer>(100).fill(enveloped(field(7, Buffer.alloc(0)))));

/** Long streams without end, with a token and without, half of which are never read. */
export const streams: Attack = async ({ target, random, signal, tally, open }) => {
  const empty = enveloped(Buffer.alloc(0));
  const calls = [
    [rpcHead("/grpc.health.v1.Health/Watch"), empty],
    [rpcHead("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"), LIST_SERVICES],
    [rpcHead("/posthaste.v1.DeliveryService/WatchDeliveries", target.token), empty],
    [
      rpcHead("/posthaste.v1.InboxService/WatchInbox", target.token),
      enveloped(field(1, Buffer.from(target.inboxId))),
    ],
  ] as const;
  for await (const _ of every(EVERY_MS, signal)) {
    const socket = open();
    if (socket === undefined) continue;
    const frames = [preface(random.pick([0, 65_535]))];
    for (let stream = 1; stream < 2 * STREAMS; stream += 2) {
      const [head, message] = random.pick(calls);
      frames.push(headers(stream, head, false), data(stream, message));
    }
    tally.requests += STREAMS;
    socket.write(Buffer.concat(frames));
  }
};
