import { createServer, type Server } from "node:http";
import {
  asOne,
  boundConnections,
  listenProblem,
  METRICS_CONTENT_TYPE,
  readinessOf,
  type WhyAway,
} from "@posthaste/runtime";

export type ListenOptions = {
  readonly host: string;
  readonly port: number;
  /** Called for each `POST /nudge`: deliveries are pending. */
  readonly onNudge: () => void;
  /** The body of `/metrics`, in Prometheus' text format. */
  readonly metrics: () => Promise<string>;
  /** For each dependency, why it is away, if it is. `/readyz` answers with this, and 503 if one is. */
  readonly whyAway: WhyAway;
};

/** Long enough for any caller of these four routes. */
const REQUEST_TIMEOUT_MS = 5_000;

/**
 * Starts the worker's HTTP server for internal callers: nudges from the API, health checks and metrics
 * scrapes. A nudge carries no data and starts nothing that the dispatcher's timer would not start.
 *
 * @throws StartError if it cannot listen there
 */
export async function listen(options: ListenOptions): Promise<{ url: string; stop(): Promise<void> }> {
  const whyAway = asOne(options.whyAway);
  const metrics = asOne(options.metrics);
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      const answer = (status: number, body: unknown, headers: Record<string, string> = {}) => {
        response
          .writeHead(status, { "content-type": "application/json", ...headers })
          .end(JSON.stringify(body));
      };
      switch (request.url) {
        case "/nudge":
          if (request.method !== "POST") return answer(405, { error: "Use POST" }, { allow: "POST" });
          options.onNudge();
          return answer(202, {});
        case "/healthz":
          return answer(200, { status: "ok" });
        case "/readyz":
          whyAway().then(
            (why) => answer(Object.values(why).some(Boolean) ? 503 : 200, readinessOf(why)),
            () => answer(503, { error: "The readiness check failed" }),
          );
          return;
        case "/metrics":
          metrics().then(
            (text) => response.writeHead(200, { "content-type": METRICS_CONTENT_TYPE }).end(text),
            () => answer(500, { error: "The metrics could not be read" }),
          );
          return;
        default:
          return answer(404, { error: "Not found. The paths are /nudge, /healthz, /readyz and /metrics" });
      }
    },
  );
  boundConnections(server);
  await new Promise<void>((resolve, reject) => {
    const settings = { host: "POSTHASTE_WORKER_HOST", port: "POSTHASTE_WORKER_PORT" };
    server.once("error", (error) => reject(listenProblem(error, { ...options, settings })));
    server.listen(options.port, options.host, resolve);
  });
  return { url: urlOf(server, options.host), stop: () => close(server) };
}

function urlOf(server: Server, host: string): string {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
