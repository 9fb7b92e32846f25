import { type Attributes, context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import {
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from "@opentelemetry/resources";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { type Env, readTracingSettings } from "./tracing-settings.ts";

/**
 * A span's position in a trace, in W3C Trace Context format. Other processes use it as the parent
 * of their spans.
 */
export type Traceparent = string;

/** The ids by which log lines name a span: its fields in OpenTelemetry, in hexadecimal. */
export type SpanIds = { readonly traceId?: string; readonly spanId?: string };

/** A unit of work in a trace. If tracing is off, its methods do nothing. */
export type Span = {
  /** Undefined if tracing is off. */
  readonly traceparent: Traceparent | undefined;
  /** For the fields of log lines. Empty if tracing is off. */
  readonly ids: SpanIds;
  rename(name: string): void;
  set(attributes: Attributes): void;
  fail(reason: string): void;
  end(): void;
};

type SpanOptions = {
  /** If undefined or malformed, the span begins a new trace. */
  readonly parent?: Traceparent | undefined;
  readonly kind?: "server" | "client" | "producer" | "consumer";
  /** Details of the work; never a payload, a secret or a URL's query. */
  readonly attributes?: Attributes;
};

export type Tracer = {
  /** Begins a span; the caller ends it. */
  begin(name: string, options?: SpanOptions): Span;
  /** Runs `body` in a span and ends the span. If `body` throws, the span is marked as failed. */
  span<T>(name: string, options: SpanOptions, body: (span: Span) => Promise<T>): Promise<T>;
};

export type Tracing = { readonly tracer: Tracer; stop(): Promise<void> };

const KINDS = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const;

/**
 * The maximum number of spans that wait to be sent. Further spans are dropped, which bounds the cost of
 * a collector's outage.
 */
const QUEUE_MAX = 4_096;
const EXPORT_TIMEOUT_MS = 5_000;
const SEND_EVERY_MS = 2_000;

/**
 * Sets up tracing from OpenTelemetry's standard variables. Each `OTEL_EXPORTER_OTLP_…` may also have
 * `TRACES_` in its name, for example `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`:
 *
 * - `OTEL_EXPORTER_OTLP_ENDPOINT` turns it on. Without an endpoint nothing is recorded, and no `traceparent`
 *   is sent.
 * - `OTEL_SDK_DISABLED=true` or `OTEL_TRACES_EXPORTER=none` turns it off.
 * - `OTEL_EXPORTER_OTLP_PROTOCOL` is `http/json` (default) or `http/protobuf`.
 * - `OTEL_EXPORTER_OTLP_HEADERS`, `…_COMPRESSION`, `…_TIMEOUT`, `…_CERTIFICATE`, `…_CLIENT_KEY` and
 *   `…_CLIENT_CERTIFICATE` are for the connection to the collector.
 * - `OTEL_TRACES_SAMPLER` (default `parentbased_traceidratio`) chooses the traces that are recorded, and
 *   `OTEL_TRACES_SAMPLER_ARG` the share of a ratio, from 0 to 1 (default 1).
 * - `OTEL_BSP_MAX_QUEUE_SIZE`, `…_MAX_EXPORT_BATCH_SIZE`, `…_SCHEDULE_DELAY` and `…_EXPORT_TIMEOUT` are for
 *   the queue of spans.
 * - `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` describe the process.
 *
 * @param serviceName the service's name, unless `OTEL_SERVICE_NAME` sets another
 * @param env the exporter and the description of the process read `process.env` in any case
 * @throws StartError if a variable has a value that is not supported
 */
export function startTracing(serviceName: string, env: Env = process.env): Tracing {
  const settings = readTracingSettings(env);
  if (settings === undefined) return { tracer: noTracer, stop: async () => {} };
  const { sampler, protocol, hasTimeout, batch } = settings;
  const Exporter = protocol === "http/json" ? JsonExporter : ProtobufExporter;
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ "service.name": serviceName }))
      .merge(detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] })),
    sampler,
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new Exporter(hasTimeout ? {} : { timeoutMillis: EXPORT_TIMEOUT_MS }),
        maxQueueSize: batch.maxQueueSize ?? QUEUE_MAX,
        scheduledDelayMillis: batch.scheduledDelayMillis ?? SEND_EVERY_MS,
        exportTimeoutMillis: batch.exportTimeoutMillis ?? EXPORT_TIMEOUT_MS,
        ...(batch.maxExportBatchSize !== undefined && { maxExportBatchSize: batch.maxExportBatchSize }),
      }),
    ],
  });
  const tracer = provider.getTracer("posthaste");
  const begin = (name: string, { parent, kind, attributes = {} }: SpanOptions = {}): Span => {
    const options = { attributes, ...(kind === undefined ? {} : { kind: KINDS[kind] }) };
    const span = tracer.startSpan(name, options, parentContext(parent));
    const { traceId, spanId, traceFlags } = span.spanContext();
    return {
      traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`,
      ids: { traceId, spanId },
      rename: (to) => void span.updateName(to),
      set: (more) => void span.setAttributes(more),
      fail: (reason) => void span.setStatus({ code: SpanStatusCode.ERROR, message: reason }),
      end: () => span.end(),
    };
  };
  return {
    tracer: { begin, span: around(begin) },
    // An unavailable collector must not keep the process from stopping.
    stop: () => provider.shutdown().catch(() => {}),
  };
}

const noSpan: Span = {
  traceparent: undefined,
  ids: {},
  rename() {},
  set() {},
  fail() {},
  end() {},
};

/** A tracer that records nothing. */
export const noTracer: Tracer = { begin: () => noSpan, span: (_name, _options, body) => body(noSpan) };

function around(begin: Tracer["begin"]): Tracer["span"] {
  return async (name, options, body) => {
    const span = begin(name, options);
    try {
      return await body(span);
    } catch (error) {
      span.fail(error instanceof Error ? error.name : "failed");
      throw error;
    } finally {
      span.end();
    }
  };
}

/** W3C Trace Context, version 00. */
const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Returns the ids of the span that a `traceparent` names, for lines that no span of this process covers. */
export function idsIn(traceparent: Traceparent | null | undefined): SpanIds {
  const [, traceId, spanId] = TRACEPARENT.exec(traceparent ?? "") ?? [];
  return traceId === undefined || spanId === undefined ? {} : { traceId, spanId };
}

function parentContext(parent: Traceparent | undefined) {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(parent ?? "") ?? [];
  if (traceId === undefined || spanId === undefined) return ROOT_CONTEXT;
  const traceFlags = Number.parseInt(flags ?? "0", 16) & 1;
  return trace.setSpanContext(context.active(), { traceId, spanId, traceFlags, isRemote: true });
}
