import { Client, Connection } from "@temporalio/client";
import type { TemporalOptions } from "./temporal-options.ts";

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/i;

/**
 * The longest pause between two tries to reach a server that was away. gRPC's own pauses double up to 120 s,
 * so a process would go on reporting an outage long after its end.
 */
const RECONNECT_PAUSE_MAX_MS = 5_000;

/**
 * Returns a client that connects on its first call, so that the API can start and ingest while Temporal is
 * down.
 */
export function connectTemporal({ connectionOptions = {}, namespace }: TemporalOptions): Client {
  // The proxy in http_proxy, which gRPC would use, cannot reach a server on this machine.
  const isNear = LOOPBACK.test(connectionOptions.address ?? "localhost");
  const channelArgs = {
    "grpc.max_reconnect_backoff_ms": RECONNECT_PAUSE_MAX_MS,
    ...(isNear ? { "grpc.enable_http_proxy": 0 } : {}),
  };
  const connection = Connection.lazy({ ...connectionOptions, channelArgs });
  return new Client({ connection, ...(namespace === undefined ? {} : { namespace }) });
}
