import { randomInt } from "node:crypto";
import { connect, createServer } from "node:net";

/**
 * Systems assign higher ports to outgoing connections and to servers that ask for any port (from 32,768 on
 * Linux, 49,152 elsewhere). Such a port may be taken before the caller uses it.
 */
const PORTS = { from: 10_000, to: 32_000 } as const;
/** For receivers that must stay down, and for servers that must not take a service's port. */
const QUIET_PORTS = { from: 4_000, to: 10_000 } as const;
/** The machine has no free port after this many tries. */
const TRIES_MAX = 100;
/** A server whose queue of connections is full drops new ones silently. */
const CONNECTS_WITHIN_MS = 5_000;

/** Returns whether a server could listen on this port of the loopback address. */
export async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Returns a free port of the loopback address: `wish`, if it is free. */
export async function freePort(wish = 0): Promise<number> {
  return wish !== 0 && (await isFree(wish)) ? wish : await firstFree(nextPort);
}

/** Returns a free port of the loopback address that {@link freePort} never returns. */
export async function quietPort(): Promise<number> {
  return await firstFree(() => randomInt(QUIET_PORTS.from, QUIET_PORTS.to));
}

/** State of the process, because a test run loads this module again for each file. */
const ofProcess = globalThis as { posthasteNextPort?: number };

/**
 * Returns consecutive ports, from a random start for each process. A port counts as free until it is used.
 * So processes that drew each port at random would sometimes draw the same one: a run of the tests asks for
 * hundreds.
 */
function nextPort(): number {
  const span = PORTS.to - PORTS.from;
  const next = ofProcess.posthasteNextPort ?? randomInt(span);
  ofProcess.posthasteNextPort = (next + 1) % span;
  return PORTS.from + next;
}

/** Returns whether something accepts connections on this port within five seconds. */
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

async function firstFree(next: () => number): Promise<number> {
  for (let n = 0; n < TRIES_MAX; n++) {
    const port = next();
    if (await isFree(port)) return port;
  }
  throw new Error("this machine has no free port on 127.0.0.1");
}
