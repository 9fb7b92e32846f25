import { StartError } from "@posthaste/runtime";
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
 *
 * @throws StartError if the client's certificate or its key is malformed
 */
export function connectTemporal({ connectionOptions = {}, namespace }: TemporalOptions): Client {
  // The proxy in http_proxy, which gRPC would use, cannot reach a server on this machine.
  const isNear = LOOPBACK.test(connectionOptions.address ?? "localhost");
  const channelArgs = {
    "grpc.max_reconnect_backoff_ms": RECONNECT_PAUSE_MAX_MS,
    ...(isNear ? { "grpc.enable_http_proxy": 0 } : {}),
  };
  const connection = lazily({ ...connectionOptions, channelArgs });
  return new Client({ connection, ...(namespace === undefined ? {} : { namespace }) });
}

function lazily(options: Parameters<typeof Connection.lazy>[0]): Connection {
  try {
    return Connection.lazy(options);
  } catch (error) {
    const { code, name } = error as { code?: string; name?: string };
    throw new StartError(
      `Temporal's settings: the certificate or the key of TEMPORAL_TLS_CLIENT_… is malformed (${code ?? name})`,
    );
  }
}
