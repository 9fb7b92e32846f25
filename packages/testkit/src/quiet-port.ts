import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * Below the ports that systems give to outgoing connections and to whoever asks for any, and below those that
 * the services under test are given: nobody is given one of these between now and its use.
 */
const PORTS = { from: 4_000, to: 10_000 } as const;
/** Tried before this machine is taken to have no free one. */
const TRIES_MAX = 100;

/** A port of the loopback address that nobody listens on, and nobody will but who knows it. */
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
