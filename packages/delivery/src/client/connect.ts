import { Client, Connection } from "@temporalio/client";
import { loadClientConnectConfig } from "@temporalio/envconfig";

/** The connection to Temporal: address, TLS, API key and namespace. */
export type TemporalOptions = ReturnType<typeof loadClientConnectConfig>;

/**
 * Reads the environment variables and the profile file of Temporal's CLI: `TEMPORAL_ADDRESS`,
 * `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS…`, `TEMPORAL_PROFILE`.
 */
export function temporalOptions(): TemporalOptions {
  return loadClientConnectConfig();
}

/**
 * Returns a client that connects on its first call, so that the API can start and ingest while Temporal is
 * down.
 */
export function connectTemporal(options: TemporalOptions): Client {
  const connection = Connection.lazy(options.connectionOptions ?? {});
  return new Client({
    connection,
    ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
  });
}
