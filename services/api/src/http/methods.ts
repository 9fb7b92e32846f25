/** The methods of HTTP: RFC 9110, section 9, and PATCH (RFC 5789). */
const METHODS: ReadonlySet<string | undefined> = new Set(
  "GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH".split(" "),
);

/** Stands for every other method. Fastify knows it, and no route takes it. */
const STAND_IN = "SOURCE";

/**
 * Lets a request with any method reach the routes. Fastify has a list of methods, and answers others past
 * every hook: without a bound, a log line or a metric. HTTP/2 lets any through.
 */
export function makeRoutable(request: { method?: string | undefined; url?: string | undefined }): void {
  if (!METHODS.has(request.method)) request.method = STAND_IN;
  // It has a host instead of a path.
  if (request.method === "CONNECT") request.url = "/";
}

/** Returns a method as logs and traces show it: never a caller's text, but OpenTelemetry's `_OTHER`. */
export function methodName(method: string): string {
  return METHODS.has(method) ? method : "_OTHER";
}
