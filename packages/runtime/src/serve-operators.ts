import { createServer } from "node:http";
import { asOne } from "./as-one.ts";
import { boundConnections } from "./bound-connections.ts";
import { type ListenPlace, listenProblem } from "./config.ts";
import type { Log } from "./log.ts";
import { METRICS_CONTENT_TYPE } from "./metrics.ts";
import type { Readiness } from "./readiness.ts";

export type OperatorServerParts = {
  /** The body of `/metrics`, in Prometheus' text format. */
  readonly metrics: () => Promise<string>;
  /** What `/readyz` answers. */
  readonly readiness: () => Promise<Readiness>;
  /** What to call on a POST to a path, which is answered with 202. Default: none. */
  readonly posts?: Readonly<Record<string, () => void>>;
  readonly log: Log;
};

export type OperatorServer = { readonly url: string; stop(): Promise<void> };

/** How long a caller may take to send its request; whoever asks for these sends a few bytes. */
const REQUEST_TIMEOUT_MS = 5_000;

const READS: ReadonlySet<string | undefined> = new Set(["GET", "HEAD"]);

type Answer = {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
};

function json(status: number, body: object, headers?: Answer["headers"]): Answer {
  return { status, type: "application/json", text: JSON.stringify(body), ...(headers && { headers }) };
}

/**
 * Serves `/healthz`, `/readyz` and `/metrics` on a port of its own: whatever waits at a public port, Node
 * accepts one connection from each port in each turn of its event loop. It has no authentication.
 *
 * @throws StartError if it cannot listen there
 */
export async function serveOperators(
  place: ListenPlace,
  { posts = {}, log, ...parts }: OperatorServerParts,
): Promise<OperatorServer> {
  const metrics = asOne(parts.metrics);
  const readiness = asOne(parts.readiness);
  const paths = [...Object.keys(posts), "/healthz", "/readyz", "/metrics"];
  const answerTo = async (path: string, method: string | undefined): Promise<Answer> => {
    const post = Object.hasOwn(posts, path) ? posts[path] : undefined;
    if (post !== undefined) {
      if (method !== "POST") return json(405, { error: "Use POST" }, { allow: "POST" });
      post();
      return json(202, {});
    }
    if (paths.includes(path) && !READS.has(method)) {
      return json(405, { error: "Use GET" }, { allow: "GET, HEAD" });
    }
    switch (path) {
      case "/healthz":
        return json(200, { status: "ok" });
      case "/readyz": {
        const { isReady, body } = await readiness();
        return json(isReady ? 200 : 503, body);
      }
      case "/metrics":
        return { status: 200, type: METRICS_CONTENT_TYPE, text: await metrics() };
      default:
        return json(404, { error: `Not found. The paths are ${paths.join(", ")}` });
    }
  };
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      const send = ({ status, type, text, headers }: Answer) =>
        response.writeHead(status, { "content-type": type, ...headers }).end(text);
      // It sent too many at once; see `bound-connections.ts`.
      if (request.socket.destroyed) return;
      const path = URL.parse(request.url ?? "", "http://operators")?.pathname.replace(/(?<=.)\/$/, "") ?? "";
      answerTo(path, request.method).then(send, (error: unknown) => {
        log.error("operators.failed", error, { path });
        send(json(path === "/readyz" ? 503 : 500, { error: `${path} failed: see the log` }));
      });
    },
  );
  boundConnections(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenProblem(error, place)));
    server.listen(place.port, place.host, resolve);
  });
  return {
    url: urlOf(server.address(), place.host),
    async stop() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

/** Returns the address of a server that listens on a host; IPv6 addresses go in brackets. */
export function urlOf(address: ReturnType<ReturnType<typeof createServer>["address"]>, host: string): string {
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
