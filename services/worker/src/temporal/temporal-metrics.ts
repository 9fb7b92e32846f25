import { createServer } from "node:net";
import { Runtime } from "@temporalio/worker";

const SCRAPE_TIMEOUT_MS = 2_000;

/**
 * Turns on the metrics of Temporal's SDK, which serves them on a free loopback port. Call this before any
 * other use of the SDK.
 *
 * @returns a function that reads them, in Prometheus' text format; it rejects after 2 s without an answer
 */
export async function measureTemporal(): Promise<() => Promise<string>> {
  const bindAddress = `127.0.0.1:${await freePort()}`;
  Runtime.install({
    telemetryOptions: { metrics: { prometheus: { bindAddress } } },
    // The process stops its workers itself. By default, the SDK would do so at SIGTERM, and also at SIGUSR2
    // and SIGQUIT, and it would keep SIGTERM from ending a process that is still starting.
    shutdownSignals: [],
  });
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
