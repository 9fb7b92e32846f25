import type { Head } from "@posthaste/testkit/http2-frames";
import type { Target } from "../strike.ts";

/** The head of a call of an RPC over HTTP/2. */
export function rpcHead(path: string, token?: string): Head {
  return {
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
}

/** A field of a protobuf message that has a length: a string, bytes or a message. */
export function field(number: number, bytes: Uint8Array): Buffer {
  const head = [number * 8 + 2];
  let length = bytes.length;
  for (; length > 127; length >>>= 7) head.push((length & 127) | 128);
  return Buffer.concat([Buffer.from([...head, length]), bytes]);
}

/** A message in gRPC's envelope. */
export function enveloped(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** A call on each kind of route: without a token, with one, and with one that is not valid. */
export function headsOf({ token, inboxId }: Target): readonly [Head, ...Head[]] {
  return [
    { ":method": "GET", ":path": "/api/docs" },
    { ":method": "GET", ":path": "/nowhere" },
    { ":method": "POST", ":path": `/inbox/${inboxId}` },
    rpcHead("/grpc.health.v1.Health/Watch"),
    rpcHead("/posthaste.v1.SessionService/OpenSession"),
    rpcHead("/posthaste.v1.DeliveryService/WatchDeliveries", token),
    rpcHead("/posthaste.v1.EventIngestService/IngestEvent", token),
    rpcHead("/posthaste.v1.EventIngestService/IngestEvent", "pht_wrong"),
    { ":method": "GET", ":path": "/api/Webhook", authorization: `Bearer ${token}` },
  ];
}
