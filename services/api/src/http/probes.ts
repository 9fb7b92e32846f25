/** Health checks: load balancers and supervisors must not mistake a busy process for a dead one. */
const PROBES: ReadonlySet<string | undefined> = new Set([
  "/healthz",
  "/readyz",
  "/grpc.health.v1.Health/Check",
]);

/** Returns whether a request's path, or its URL, is that of a health check. */
export function isProbe(url: string | undefined): boolean {
  return PROBES.has(url?.split("?", 1)[0]);
}
