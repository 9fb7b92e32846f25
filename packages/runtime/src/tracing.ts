import { type Attributes, context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import {
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from "@opentelemetry/resources";
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { StartError } from "./config.ts";

/**
 * A span's position in a trace, in W3C Trace Context format. Other processes use it as the parent
 * of their spans.
 */
export type Traceparent = string;

/** A unit of work in a trace. If tracing is off, its methods do nothing. */
export type Span = {
  /** Undefined if tracing is off. */
  readonly traceparent: Traceparent | undefined;
  /** Undefined if tracing is off. */
  readonly traceId: string | undefined;
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
 * Sets up tracing from OpenTelemetry's standard variables:
 *
 * - `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` turns it on. Without an endpoint
 *   nothing is recorded, and no `traceparent` is sent.
 * - `OTEL_SDK_DISABLED=true` turns it off.
 * - `OTEL_TRACES_SAMPLER_ARG` is the share of new traces that are recorded, from 0 to 1 (default 1).
 * - `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` describe the process.
 *
 * @param serviceName the service's name, unless `OTEL_SERVICE_NAME` sets another
 * @throws StartError if the share is not a number from 0 to 1
 */
export function startTracing(
  serviceName: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Tracing {
  const isOn = env["OTEL_EXPORTER_OTLP_ENDPOINT"] || env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
  if (!isOn || env["OTEL_SDK_DISABLED"] === "true") return { tracer: noTracer, stop: async () => {} };
  const share = Number(env["OTEL_TRACES_SAMPLER_ARG"] || 1);
  if (!(share >= 0 && share <= 1))
    throw new StartError("OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1");
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ "service.name": serviceName }))
      .merge(detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] })),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new OTLPTraceExporter({ timeoutMillis: EXPORT_TIMEOUT_MS }),
        maxQueueSize: QUEUE_MAX,
        scheduledDelayMillis: SEND_EVERY_MS,
        exportTimeoutMillis: EXPORT_TIMEOUT_MS,
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
      traceId,
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
  traceId: undefined,
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

function parentContext(parent: Traceparent | undefined) {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(parent ?? "") ?? [];
  if (traceId === undefined || spanId === undefined) return ROOT_CONTEXT;
  const traceFlags = Number.parseInt(flags ?? "0", 16) & 1;
  return trace.setSpanContext(context.active(), { traceId, spanId, traceFlags, isRemote: true });
}
