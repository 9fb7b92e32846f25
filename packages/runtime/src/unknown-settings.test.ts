import { expect, test } from "vitest";
import { integer, readConfig } from "./config.ts";
import { unknownSettings } from "./unknown-settings.ts";

test.each([
  ["POSTHASTE_LAEN", "POSTHASTE_LANE"],
  ["POSTHASTE_RATE_PER_SEC", "POSTHASTE_RATE_PER_SECOND"],
  ["POSTHASTE_WORKER_URL", "POSTHASTE_WORKER_URLS"],
  ["posthaste_lane", "POSTHASTE_LANE"],
  ["POSTHAST_EGRESS_ALLOW", "POSTHASTE_EGRESS_ALLOW"],
  ["TEMPORAL_ADRESS", "TEMPORAL_ADDRESS"],
  ["TEMPORAL_NAMESPCAE", "TEMPORAL_NAMESPACE"],
  ["DATABASE_ULR", "DATABASE_URL"],
  ["OTEL_EXPORTER_OTLP_ENDPONT", "OTEL_EXPORTER_OTLP_ENDPOINT"],
  ["OTEL_EXPORTER_OTLP_TRACE_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"],
  ["OTEL_TRACE_SAMPLER", "OTEL_TRACES_SAMPLER"],
])("%s is unknown: did you mean %s?", (name, meant) => {
  expect(unknownSettings({ [name]: "1" })).toEqual([`${name} is unknown: did you mean ${meant}?`]);
});

test("a setting that resembles none is unknown too, also if it is empty", () => {
  expect(unknownSettings({ POSTHASTE_COLOUR: "" })).toEqual([
    "POSTHASTE_COLOUR is unknown: docs/configuration.md lists the settings",
  ]);
});

test.each([
  "POSTHASTE_LANE",
  "POSTHASTE_ADMIN_TOKEN",
  "POSTHASTE_TEST_MYSQL_URL",
  "TEMPORAL_ADDRESS",
  "TEMPORAL_TLS_CLIENT_CERT_DATA",
  "TEMPORAL_GRPC_META_X",
  "TEMPORAL_CLI",
  "OTEL_TRACES_SAMPLER",
  "OTEL_BLRP_SCHEDULE_DELAY",
  "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
  "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
  "OTEL_EXPORTER_OTLP_INSECURE",
  "OTEL_LOGS_EXPORTER",
  "OTEL_METRICS_EXPORTER",
  "OTEL_METRICS_EXEMPLAR_FILTER",
  "OTEL_PROPAGATORS",
  "OTEL_SPAN_EVENT_COUNT_LIMIT",
  "PATH",
  "LANE",
])("%s is not a mistyped setting", (name) => {
  expect(unknownSettings({ [name]: "1" })).toEqual([]);
});

test("a variable that resembles DATABASE_URL is somebody else's if that is set", () => {
  expect(unknownSettings({ DATABASE_URI: "x", DATABASE_URL: "sqlite:x.db" })).toEqual([]);
  expect(unknownSettings({ DATABASE_URI: "x", DATABASE_URL: "" })).toHaveLength(1);
});

test("a service's own settings are known before they are documented", () => {
  expect(unknownSettings({ POSTHASTE_NEW: "1" }, ["POSTHASTE_NEW"])).toEqual([]);
});

/** What Kubernetes sets in a pod beside the Services `posthaste` and `posthaste-worker`. */
const LINKS = {
  POSTHASTE_SERVICE_HOST: "10.0.0.1",
  POSTHASTE_SERVICE_PORT: "8080",
  POSTHASTE_SERVICE_PORT_HTTP: "8080",
  POSTHASTE_PORT: "tcp://10.0.0.1:8080",
  POSTHASTE_PORT_8080_TCP: "tcp://10.0.0.1:8080",
  POSTHASTE_PORT_8080_TCP_PROTO: "tcp",
  POSTHASTE_PORT_8080_TCP_PORT: "8080",
  POSTHASTE_PORT_8080_TCP_ADDR: "10.0.0.1",
  POSTHASTE_CONSOLE_PORT: "tcp://10.0.0.2:80",
};

test("what Kubernetes sets for a Service named posthaste is not mistyped", () => {
  expect(unknownSettings(LINKS)).toEqual([]);
});

test("a link of Kubernetes in the place of a setting is named as such, with what to do", () => {
  const settings = { POSTHASTE_PORT: integer("the port", 8080, { min: 0, max: 65_535 }) };
  expect(() => readConfig(settings, LINKS)).toThrow(
    "POSTHASTE_PORT is a link that Kubernetes sets for a Service: set enableServiceLinks: false in the pod",
  );
});

test("mistyped settings are reported together with invalid ones", () => {
  const settings = { POSTHASTE_PORT: integer("the port", 8080, { min: 0, max: 65_535 }) };
  const env = { POSTHASTE_PORT: "x", POSTHASTE_PROT: "9000" };
  const read = () => readConfig(settings, env, unknownSettings(env));
  expect(read).toThrow(
    /2 problems:\n {2}POSTHASTE_PROT is unknown: did you mean POSTHASTE_PORT\?\n {2}POSTHASTE_PORT: /,
  );
});
