import { randomInt } from "node:crypto";
import { connect, createServer } from "node:net";

/**
 * Below the ports that systems give to outgoing connections and to whoever asks for any (from 32,768 on
 * Linux, 49,152 elsewhere): one of those may be given to somebody else before it is used.
 */
const PORTS = { from: 10_000, to: 32_000 } as const;
/** Ports tried before this machine is taken to have no free one. */
const TRIES_MAX = 100;
/** A server that is too busy to accept drops what comes without a word. */
const CONNECTS_WITHIN_MS = 5_000;

/** Whether a server could listen on this port of the loopback address. */
export async function isFree(port: number): Promise<boolean> {
  return (await tryListen(port)) !== undefined;
}

/** A port of the loopback address that was free a moment ago: `wish`, if that is. */
export async function freePort(wish = 0): Promise<number> {
  if (wish !== 0 && (await isFree(wish))) return wish;
  for (let n = 0; n < TRIES_MAX; n++) {
    const port = await tryListen(nextPort());
    if (port !== undefined) return port;
  }
  throw new Error("this machine has no free port on 127.0.0.1");
}

/** Of the process, and not of this module, which a test run loads anew with each file. */
const ofProcess = globalThis as { posthasteNextPort?: number };

/**
 * From a place that each process draws, one port after another. A port is free until it is used, so two that drew each
 * time would be told the same one now and then: hundreds are asked for in a run of the tests.
 */
function nextPort(): number {
  const span = PORTS.to - PORTS.from;
  const next = ofProcess.posthasteNextPort ?? randomInt(span);
  ofProcess.posthasteNextPort = (next + 1) % span;
  return PORTS.from + next;
}

/** Whether something accepts connections there, within five seconds. */
export async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", timeout: CONNECTS_WITHIN_MS });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
    socket.once("timeout", () => settle(false));
  });
}

async function tryListen(port: number): Promise<number | undefined> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? address?.port : undefined));
    });
  });
}
