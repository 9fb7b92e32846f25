import type { Metrics } from "@posthaste/runtime";
import { isDatabaseAway, type Store } from "@posthaste/store";
import type { EndOfWait } from "./access/loop-turns.ts";
import type { Counters } from "./counters.ts";
import type { ApiObserver } from "./http/request-line.ts";

/** Counts requests, accepted events, created deliveries and connections that made room. */
export function createApiMetrics(metrics: Metrics): ApiObserver {
  const requests = metrics.counter(
    "posthaste_requests_total",
    "Requests answered, by RPC or route and by code: Connect's, or HTTP's for a route. Successful probes are left out.",
    { call: [], code: [] },
  );
  const seconds = metrics.histogram("posthaste_request_duration_seconds", "Duration of requests.", ["call"]);
  const events = metrics.counter(
    "posthaste_events_total",
    "Events accepted; a duplicate is an event whose idempotency key was used before.",
    { result: ["stored", "duplicate"] },
  );
  const deliveries = metrics.counter(
    "posthaste_deliveries_made_total",
    "Deliveries created by ingest calls.",
  );
  const unreadable = metrics.counter(
    "posthaste_unreadable_requests_total",
    "Messages over HTTP/1.1 that were no requests, by the status that answers them.",
    { status: ["400", "408", "431"] },
  );
  const dropped = metrics.counter(
    "posthaste_requests_dropped_total",
    "Requests that got no turn: their clients had left before, or too many waited already.",
    { why: ["ended", "refused"] },
  );
  const faults = metrics.counter("posthaste_request_faults_total", "Requests that failed with a fault.");
  const closed = metrics.counter(
    "posthaste_connections_closed_total",
    "Connections closed: as many were open as may be (the one idle longest, or a new one if all were busy), " +
      "or over HTTP/2 too many frames came, or resets.",
    { why: ["idle", "full", "resets"] },
  );
  return {
    connectionClosed: (why) => closed({ why }),
    completed({ call, code, durationMs }) {
      requests({ call, code });
      seconds({ call }, durationMs / 1_000);
    },
    ingested(ingested) {
      events({ result: "stored" }, ingested.events);
      events({ result: "duplicate" }, ingested.duplicates);
      deliveries({}, ingested.deliveries);
    },
    dropped: (why) => dropped({ why }),
    faulted: () => faults({}),
    unreadable: (status) => unreadable({ status: String(status) }),
  };
}

/** Measures how long computations wait for their account's turn of the event loop. */
export function createWaitMetric(metrics: Metrics): (ms: number, end: EndOfWait) => void {
  const seconds = metrics.histogram(
    "posthaste_computation_wait_seconds",
    "How long computations waited for a turn of the event loop, by how that ended.",
    ["end"],
  );
  return (ms, end) => seconds({ end }, ms / 1_000);
}

/** Reports what is open. Without these gauges, a leaked place shows only once none is left. */
export function measureOpen(metrics: Metrics, counters: () => Counters): void {
  metrics.gauge(
    "posthaste_requests_under_way",
    "Requests in flight, by whether they need a token; each kind has its own bound.",
    ["kind"],
    async () => {
      const { token, public: withoutToken } = counters();
      return [
        { labels: { kind: "token" }, value: token },
        { labels: { kind: "public" }, value: withoutToken },
      ];
    },
  );
  metrics.gauge(
    "posthaste_open",
    "What is open now, by kind; 0 of every kind when the last client has left.",
    ["kind"],
    async () => {
      const { token: _token, public: _public, ...others } = counters();
      return Object.entries(others).map(([kind, value]) => ({ labels: { kind }, value }));
    },
  );
}

/** Reports whether the database takes the API's calls: a worker with nothing to do would not notice. */
export function measureDatabase(metrics: Metrics, store: Store): void {
  metrics.gauge(
    "posthaste_dependency_up",
    "1 if the dependency is available, otherwise 0.",
    ["dependency"],
    async () => [{ labels: { dependency: "database" }, value: (await isDatabaseAway(store)) ? 0 : 1 }],
  );
}
