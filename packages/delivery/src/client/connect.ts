import { Client, Connection } from "@temporalio/client";
import { loadClientConnectConfig } from "@temporalio/envconfig";

/** The connection to Temporal: address, TLS, API key and namespace. */
export type TemporalOptions = ReturnType<typeof loadClientConnectConfig>;

/**
 * Reads Temporal's own variables and profile file (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`,
 * `TEMPORAL_TLS…`, `TEMPORAL_PROFILE`), so that what works for Temporal's CLI works here.
 */
export function temporalOptions(): TemporalOptions {
  return loadClientConnectConfig();
}

/** A client that connects at its first call: the API starts and ingests while Temporal is away. */
export function connectTemporal(options: TemporalOptions): Client {
  const connection = Connection.lazy(options.connectionOptions ?? {});
  return new Client({
    connection,
    ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
  });
}
