import cors from "@fastify/cors";
import type { FastifyInstance, FastifyRequest } from "fastify";

/** How long a browser may keep the answer to a preflight: the longest that Chromium does. */
const PREFLIGHT_AGE_S = 7_200;
/** What callers send over Connect and gRPC-Web, beside what browsers allow anyway. */
const ALLOWED_HEADERS = [
  "authorization",
  "content-type",
  "connect-protocol-version",
  "connect-timeout-ms",
  "grpc-timeout",
  "posthaste-account",
  "traceparent",
  "x-grpc-web",
  "x-user-agent",
];
/** What their clients read of an answer. */
const EXPOSED_HEADERS = [
  "allow",
  "grpc-message",
  "grpc-status",
  "grpc-status-details-bin",
  "location",
  "retry-after",
  "x-request-id",
];

/**
 * Lets pages of these origins call the API (CORS, the Fetch standard). They send a token themselves; cookies
 * do not exist. Without origins, no page of another site can.
 */
export async function allowOrigins(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  const options = {
    origin: [...origins],
    methods: ["GET", "POST", "DELETE"],
    allowedHeaders: ALLOWED_HEADERS,
    exposedHeaders: EXPOSED_HEADERS,
    maxAge: PREFLIGHT_AGE_S,
  };
  await app.register(cors, {
    // An OPTIONS that is no preflight is answered with the path's methods.
    delegator: async ({ headers }: FastifyRequest) => ({
      ...options,
      preflight: headers["access-control-request-method"] !== undefined,
    }),
  });
}
