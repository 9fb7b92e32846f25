import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * Below the system's ephemeral ports and below the ports of the services under test, so that no other process
 * is assigned a port of this range before the caller uses it.
 */
const PORTS = { from: 4_000, to: 10_000 } as const;
/** Ports tried before the search fails. */
const TRIES_MAX = 100;

/**
 * Returns a loopback port on which no process listens, from a range that the system does not assign.
 *
 * @throws Error if 100 tries find no free port
 */
export async function quietPort(): Promise<number> {
  for (let n = 0; n < TRIES_MAX; n++) {
    const port = randomInt(PORTS.from, PORTS.to);
    if (await isFree(port)) return port;
  }
  throw new Error("this machine has no free port on 127.0.0.1");
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
