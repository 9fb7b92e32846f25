import { distance } from "fastest-levenshtein";
import { KNOWN_SETTINGS } from "./known-settings.ts";

/** Read by commands and tests, and handed down to the services that these start. */
const OF_COMMANDS = [
  "POSTHASTE_ADMIN_TOKEN",
  "POSTHASTE_FUZZ_RUNS",
  "POSTHASTE_FUZZ_SEED",
  "POSTHASTE_SCREENSHOTS",
  "POSTHASTE_TEST_MYSQL_URL",
  "POSTHASTE_TEST_TEMPLATES",
];

/** Read by Temporal's SDK, which ignores any other. */
const OF_TEMPORAL = [
  "TEMPORAL_ADDRESS",
  "TEMPORAL_API_KEY",
  "TEMPORAL_CODEC_AUTH",
  "TEMPORAL_CODEC_ENDPOINT",
  "TEMPORAL_CONFIG_FILE",
  "TEMPORAL_NAMESPACE",
  "TEMPORAL_PROFILE",
  "TEMPORAL_TLS",
  "TEMPORAL_TLS_CLIENT_CERT_DATA",
  "TEMPORAL_TLS_CLIENT_CERT_PATH",
  "TEMPORAL_TLS_CLIENT_KEY_DATA",
  "TEMPORAL_TLS_CLIENT_KEY_PATH",
  "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION",
  "TEMPORAL_TLS_SERVER_CA_CERT_DATA",
  "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
  "TEMPORAL_TLS_SERVER_NAME",
];

const OF_EXPORTER = [
  ...["ENDPOINT", "PROTOCOL", "HEADERS", "COMPRESSION", "TIMEOUT"],
  ...["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"],
];
const OF_QUEUE = ["MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE", "SCHEDULE_DELAY", "EXPORT_TIMEOUT"];

/** OpenTelemetry's standard variables that `startTracing` or its libraries read. */
const OF_OPENTELEMETRY = [
  ...["OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"],
  ...["OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"],
  ...OF_EXPORTER.flatMap((name) => [`OTEL_EXPORTER_OTLP_${name}`, `OTEL_EXPORTER_OTLP_TRACES_${name}`]),
  ...OF_QUEUE.map((name) => `OTEL_BSP_${name}`),
];

/** Standard names that are a slip away from one above, and are for logs. */
const OF_OPENTELEMETRY_LOGS = OF_QUEUE.map((name) => `OTEL_BLRP_${name}`);

/** What Kubernetes sets in every pod for a Service that is named `posthaste` or `posthaste-…`. */
const SERVICE_LINK = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;
const SERVICE_LINK_VALUE = /^(tcp|udp|sctp):\/\//;

/** Variables with this prefix are meant for Posthaste, whatever follows. */
const OURS = /^POSTHASTE_/i;
/** As many slips are likely, in a short name fewer. */
const SLIPS = 2;

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Returns a problem for each variable that looks like a setting and is none: it begins with `POSTHASTE_`, or
 * is only a slip away from one of our settings, Temporal's or OpenTelemetry's.
 *
 * @param own names that are settings, too
 */
export function unknownSettings(env: Env, own: readonly string[] = []): readonly string[] {
  const ours = [...own, ...KNOWN_SETTINGS, ...OF_COMMANDS];
  const known = [...new Set([...ours, ...OF_TEMPORAL, ...OF_OPENTELEMETRY, ...OF_OPENTELEMETRY_LOGS])];
  // Others may have a variable that resembles it.
  const candidates = known.filter((name) => name !== "DATABASE_URL" || !env[name]);
  return Object.keys(env)
    .filter((name) => env[name] !== undefined && !known.includes(name))
    .filter((name) => !isServiceLink(name, env[name]))
    .flatMap((name) => {
      const near = nearest(name.toUpperCase(), candidates);
      if (near !== undefined) return `${name} is unknown: did you mean ${near}?`;
      return OURS.test(name) ? `${name} is unknown: docs/configuration.md lists the settings` : [];
    });
}

/** Returns whether a variable is a link to a Service, which Kubernetes sets; see {@link SERVICE_LINK}. */
export function isServiceLink(name: string, value = ""): boolean {
  return SERVICE_LINK.test(name) || (name.endsWith("_PORT") && SERVICE_LINK_VALUE.test(value));
}

/** Returns the most similar name, if it differs in no more characters than slips explain. */
function nearest(name: string, candidates: readonly string[]): string | undefined {
  const chars = name.length - name.indexOf("_") - 1;
  const reach = OURS.test(name) ? Math.max(SLIPS, chars / 4) : Math.min(SLIPS, chars / 3);
  const [best] = candidates
    // Names that differ in more characters than that are not compared in full.
    .filter((candidate) => Math.abs(candidate.length - name.length) <= reach)
    .map((candidate) => ({ candidate, far: slips(name, candidate) }))
    .filter(({ far }) => far <= reach)
    .sort((a, b) => a.far - b.far);
  return best?.candidate;
}

/** Letters that have changed places are one slip. */
function slips(name: string, candidate: string): number {
  return sorted(name) === sorted(candidate) ? 1 : distance(name, candidate);
}

function sorted(name: string): string {
  return [...name].sort().join("");
}
