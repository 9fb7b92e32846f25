import { readFileSync } from "node:fs";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace";
import { StartError } from "./config.ts";
import { pemProblem } from "./pem.ts";

export type Env = Readonly<Record<string, string | undefined>>;

/** How spans are sent to the collector: the protocols that have an exporter here. */
export const PROTOCOLS = ["http/json", "http/protobuf"] as const;

/** What OpenTelemetry's standard variables say; undefined for a number: the caller's own value. */
export type TracingSettings = {
  readonly sampler: Sampler;
  readonly protocol: (typeof PROTOCOLS)[number];
  /** The exporter itself reads the timeout, unless it is given one. */
  readonly hasTimeout: boolean;
  readonly batch: {
    readonly maxQueueSize: number | undefined;
    readonly maxExportBatchSize: number | undefined;
    readonly scheduledDelayMillis: number | undefined;
    readonly exportTimeoutMillis: number | undefined;
  };
};

/** The samplers of OpenTelemetry's specification, by their names in `OTEL_TRACES_SAMPLER`. */
const SAMPLERS: Readonly<Record<string, (share: number) => Sampler>> = {
  always_on: () => new AlwaysOnSampler(),
  always_off: () => new AlwaysOffSampler(),
  traceidratio: (share) => new TraceIdRatioBasedSampler(share),
  parentbased_always_on: () => new ParentBasedSampler({ root: new AlwaysOnSampler() }),
  parentbased_always_off: () => new ParentBasedSampler({ root: new AlwaysOffSampler() }),
  parentbased_traceidratio: (share) => new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) }),
};

/**
 * Reads OpenTelemetry's standard variables that this process must interpret itself; `startTracing` names all.
 *
 * @returns undefined: tracing is off
 * @throws StartError if a variable has a value that is not supported
 */
export function readTracingSettings(env: Env): TracingSettings | undefined {
  const endpoints = [
    endpoint(env, "OTEL_EXPORTER_OTLP_ENDPOINT"),
    endpoint(env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
  ];
  const isOn = endpoints.some((value) => value !== undefined);
  const exporter = choice(env, "OTEL_TRACES_EXPORTER", ["otlp", "none"]);
  if (exporter === "none" || env["OTEL_SDK_DISABLED"]?.toLowerCase() === "true") return undefined;
  // Also without an endpoint, so that no fault waits for the day on which one is set.
  requireFiles(env);
  const share = Number(env["OTEL_TRACES_SAMPLER_ARG"] || 1);
  if (!(share >= 0 && share <= 1))
    throw new StartError("OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1");
  const name = choice(env, "OTEL_TRACES_SAMPLER", Object.keys(SAMPLERS)) ?? "parentbased_traceidratio";
  const sampler = SAMPLERS[name]?.(share) ?? new AlwaysOnSampler();
  const protocol =
    choice(env, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", PROTOCOLS) ??
    choice(env, "OTEL_EXPORTER_OTLP_PROTOCOL", PROTOCOLS) ??
    "http/json";
  const timeouts = [
    count(env, "OTEL_EXPORTER_OTLP_TIMEOUT"),
    count(env, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"),
  ];
  const settings = {
    sampler,
    protocol,
    hasTimeout: timeouts.some((value) => value !== undefined),
    batch: {
      maxQueueSize: count(env, "OTEL_BSP_MAX_QUEUE_SIZE"),
      maxExportBatchSize: count(env, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
      scheduledDelayMillis: count(env, "OTEL_BSP_SCHEDULE_DELAY"),
      exportTimeoutMillis: count(env, "OTEL_BSP_EXPORT_TIMEOUT"),
    },
  };
  return isOn ? settings : undefined;
}

/** The exporter takes any text, and sends nothing if it cannot send to it. */
function endpoint(env: Env, name: string): string | undefined {
  const value = env[name];
  if (!value) return undefined;
  if (/^https?:$/.test(URL.parse(value)?.protocol ?? "")) return value;
  throw new StartError(`${name}: expected a URL, as http://HOST:PORT or https://HOST:PORT`);
}

/** The exporter goes on without a file that it cannot read, and without a certificate that lacks its key. */
function requireFiles(env: Env): void {
  const [ca, cert, key] = ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"].map((what) => {
    const names = [`OTEL_EXPORTER_OTLP_TRACES_${what}`, `OTEL_EXPORTER_OTLP_${what}`];
    const name = names.find((one) => env[one]?.trim());
    return name === undefined ? undefined : read(env, name);
  });
  switch (pemProblem({ ca, cert, key })) {
    case "no_authority":
      throw new StartError(
        "OTEL_EXPORTER_OTLP_CERTIFICATE: the file holds no certificate in PEM, or a damaged one",
      );
    case "no_pair":
      throw new StartError(
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY need each other",
      );
    case "malformed_pair":
      throw new StartError(
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and …_CLIENT_KEY: the files are no certificate with its key in PEM",
      );
  }
}

function read(env: Env, name: string): Buffer {
  try {
    return readFileSync(env[name]?.trim() ?? "");
  } catch (error) {
    // Without the path: it may be the key itself.
    throw new StartError(`${name}: the file cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function choice<T extends string>(env: Env, name: string, choices: readonly T[]): T | undefined {
  const value = env[name];
  if (!value) return undefined;
  const chosen = choices.find((one) => one === value);
  if (chosen !== undefined) return chosen;
  throw new StartError(`${name}: expected one of ${choices.join(", ")}`);
}

function count(env: Env, name: string): number | undefined {
  const value = env[name];
  if (!value) return undefined;
  if (/^[1-9]\d{0,8}$/.test(value)) return Number(value);
  throw new StartError(`${name}: expected a whole number from 1 to 999999999`);
}
