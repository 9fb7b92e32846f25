import type { Socket } from "node:net";
import { rawSocket } from "@posthaste/testkit/http2-frames";

/** A connection, and everything it has received once it is closed. */
export type OpenSocket = { readonly socket: Socket; readonly closed: Promise<string> };

export function openSocket(url: string): OpenSocket {
  const socket = rawSocket(url);
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk;
  });
  const closed = new Promise<string>((resolve) => socket.once("close", () => resolve(received)));
  return { socket, closed };
}
