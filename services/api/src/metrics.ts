import type { Metrics } from "@posthaste/runtime";
import type { RequestsUnderWay } from "./http/admission.ts";

/** What the API counts, from the line that it logs for each request. */
export function createApiMetrics(metrics: Metrics): {
  onLine(event: string, fields: Readonly<Record<string, unknown>>): void;
} {
  const requests = metrics.counter(
    "posthaste_requests_total",
    "Requests answered, by RPC or route and by code: Connect's, or HTTP's for a route. Probes that succeed are left out.",
    ["call", "code"],
  );
  const seconds = metrics.histogram("posthaste_request_duration_seconds", "How long requests took.", [
    "call",
  ]);
  const events = metrics.counter(
    "posthaste_events_total",
    "Events accepted; a duplicate is one whose idempotency key was used before.",
    ["result"],
  );
  const deliveries = metrics.counter("posthaste_deliveries_made_total", "Deliveries made by ingest calls.");
  const faults = metrics.counter("posthaste_request_faults_total", "Requests that a fault of ours failed.");
  return {
    onLine(event, fields) {
      if (event === "request.faulted") return faults({});
      if (event !== "request.completed") return;
      // Both are a route's pattern, never what a caller wrote.
      const call = String(fields["rpc"] ?? fields["route"] ?? "unmatched");
      requests({ call, code: String(fields["code"]) });
      seconds({ call }, Number(fields["durationMs"]) / 1_000);
      if (fields["events"] === undefined) return;
      events({ result: "stored" }, Number(fields["events"]));
      events({ result: "duplicate" }, Number(fields["duplicates"]));
      deliveries({}, Number(fields["deliveries"]));
    },
  };
}

/** Measures how many places for requests are taken: without it a lost place shows only when all are. */
export function measureRequests(metrics: Metrics, requestsUnderWay: () => RequestsUnderWay): void {
  metrics.gauge(
    "posthaste_requests_under_way",
    "Requests under way, of those that need a token and of those that do not; each kind has its own bound.",
    ["kind"],
    async () => {
      const { token, public: forAnybody } = requestsUnderWay();
      return [
        { labels: { kind: "token" }, value: token },
        { labels: { kind: "public" }, value: forAnybody },
      ];
    },
  );
}
