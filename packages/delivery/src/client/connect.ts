import { StartError } from "@posthaste/runtime";
import { Client, Connection } from "@temporalio/client";
import { loadClientConnectConfig } from "@temporalio/envconfig";

/** The connection to Temporal: address, TLS, API key and namespace. */
export type TemporalOptions = ReturnType<typeof loadClientConnectConfig>;

/**
 * Reads the environment variables and the profile file of Temporal's CLI: `TEMPORAL_ADDRESS`,
 * `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS…`, `TEMPORAL_PROFILE`.
 *
 * @throws StartError if they cannot be used. Its message quotes no address, no key and no line of the file.
 */
export function temporalOptions(): TemporalOptions {
  const options = explained(loadClientConnectConfig);
  const { address, apiKey, metadata = {} } = options.connectionOptions ?? {};
  if (address !== undefined) requireAddress(address);
  if (apiKey !== undefined)
    requireHeader("the API key (TEMPORAL_API_KEY, or api_key in the profile)", apiKey);
  for (const [name, value] of Object.entries(metadata)) requireHeader(`the header ${name}`, value);
  return options;
}

/**
 * Returns a client that connects on its first call, so that the API can start and ingest while Temporal is
 * down.
 *
 * @throws StartError if a certificate or key is malformed
 */
export function connectTemporal(options: TemporalOptions): Client {
  const { connectionOptions = {}, namespace } = options;
  const connection = explained(() => Connection.lazy({ ...connectionOptions, ...withoutProxy(options) }));
  return new Client({ connection, ...(namespace === undefined ? {} : { namespace }) });
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/i;

/** The proxy in `http_proxy`, which gRPC would use, cannot reach a server on this machine. */
function withoutProxy({ connectionOptions }: TemporalOptions) {
  const isLoopback = LOOPBACK.test(connectionOptions?.address ?? "localhost");
  return isLoopback ? { channelArgs: { "grpc.enable_http_proxy": 0 } } : {};
}

/** HOST or HOST:PORT, with an IPv6 address in brackets. */
const ADDRESS = /^(?:\[[\da-fA-F:.]+\]|[^\s:/@[\]]+)(?::(\d{1,5}))?$/;
const PORT_MAX = 65_535;

function requireAddress(address: string): void {
  const match = ADDRESS.exec(address);
  const port = match?.[1];
  if (match !== null && (port === undefined || (Number(port) > 0 && Number(port) <= PORT_MAX))) return;
  // Not quoted, because a URL may hold a password.
  throw new StartError(
    "Temporal's settings: the address (TEMPORAL_ADDRESS, or address in the profile) is malformed: give HOST:PORT",
  );
}

/** gRPC's text values: printable ASCII. */
const HEADER = /^[ -~]+$/;

function requireHeader(name: string, value: unknown): void {
  if (typeof value === "string" && HEADER.test(value)) return;
  throw new StartError(
    `Temporal's settings: ${name} is empty or has a character that a header cannot carry, such as a line break`,
  );
}

/** Turns an error in the settings into a {@link StartError}. The rest of its message may quote the file. */
function explained<T>(use: () => T): T {
  try {
    return use();
  } catch (error) {
    const { message = "", line, column } = error as { message?: string; line?: number; column?: number };
    const where = line === undefined ? "" : ` (line ${line}, column ${column})`;
    throw new StartError(
      `Temporal's settings cannot be used: ${message.split("\n")[0]}${where}; check the variables TEMPORAL_… and the profile file`,
    );
  }
}
