import { createServer } from "node:net";
import { Runtime } from "@temporalio/worker";

const SCRAPE_TIMEOUT_MS = 2_000;

/**
 * Has Temporal's SDK measure itself, on a port of its own on loopback. Must be called before anything else of the SDK.
 *
 * @returns what reads it
 */
export async function measureTemporal(): Promise<() => Promise<string>> {
  const bindAddress = `127.0.0.1:${await freePort()}`;
  Runtime.install({ telemetryOptions: { metrics: { prometheus: { bindAddress } } } });
  return async () => {
    const response = await fetch(`http://${bindAddress}/metrics`, {
      signal: AbortSignal.timeout(SCRAPE_TIMEOUT_MS),
    });
    return await response.text();
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
