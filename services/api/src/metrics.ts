import type { Metrics } from "@posthaste/runtime";
import type { RequestsUnderWay } from "./http/admission.ts";
import type { ApiObserver } from "./http/request-line.ts";

/** Counts requests, and what ingest calls store. */
export function createApiMetrics(metrics: Metrics): ApiObserver {
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
    completed({ call, code, durationMs, ingested }) {
      requests({ call, code });
      seconds({ call }, durationMs / 1_000);
      if (ingested === undefined) return;
      events({ result: "stored" }, ingested.events);
      events({ result: "duplicate" }, ingested.duplicates);
      deliveries({}, ingested.deliveries);
    },
    faulted: () => faults({}),
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
