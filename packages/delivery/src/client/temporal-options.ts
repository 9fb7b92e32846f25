import { existsSync } from "node:fs";
import { pemProblem, StartError } from "@posthaste/runtime";
import { loadClientConfigProfile, toClientOptions } from "@temporalio/envconfig";
import { NoNamespace } from "./no-namespace.ts";

/** The connection to Temporal: address, TLS, API key and namespace. */
export type TemporalOptions = ReturnType<typeof toClientOptions>;

/** HOST or HOST:PORT, with an IPv6 address in brackets. A label of a name has at most 63 characters. */
const ADDRESS = /^(?:\[[\da-fA-F:.]+\]|[^\s:/?#@[\].]{1,63}(?:\.[^\s:/?#@[\].]{1,63})*\.?)(?::(\d{1,5}))?$/;
const PORT_MAX = 65_535;
/** gRPC's names of headers. Those that end with -bin hold bytes. */
const HEADER_NAME = /^(?!.*-bin$)[0-9a-z_.-]+$/;
/** gRPC's text values: printable ASCII. */
const HEADER_VALUE = /^[ -~]*$/;

/**
 * Reads the environment variables and the profile file of Temporal's CLI: `TEMPORAL_ADDRESS`,
 * `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS…`, `TEMPORAL_PROFILE`. An empty variable counts as
 * not set.
 *
 * @throws StartError if they cannot be used. Its message quotes no value: any of them may hold a secret, if
 *   only by mistake
 */
export function temporalOptions(): TemporalOptions {
  for (const name of ["TEMPORAL_TLS", "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION"]) {
    // The SDK takes anything else for false.
    requireThat(/^(true|1|false|0|)$/.test(process.env[name] ?? ""), `${name} must be true or false`);
  }
  const { profile, options } = load();
  const { address, apiKey, metadata, tls } = options.connectionOptions ?? {};
  const serverName = typeof tls === "object" ? tls?.serverNameOverride : undefined;
  requireThat(isAddress(address), "the address (TEMPORAL_ADDRESS) is malformed: give HOST:PORT");
  requireThat(isHeader(options.namespace), `the namespace (TEMPORAL_NAMESPACE) ${ODD}`);
  requireThat(isHeader(apiKey), `the API key (TEMPORAL_API_KEY) ${ODD}`);
  requireThat(isHeader(serverName), `the server's name (TEMPORAL_TLS_SERVER_NAME) ${ODD}`);
  requirePem(profile, tls);
  for (const [name, value] of Object.entries(metadata ?? {})) {
    requireThat(HEADER_NAME.test(name), "a header (TEMPORAL_GRPC_META_…) has a name that gRPC cannot carry");
    requireThat(isHeader(value), `the header ${name} (TEMPORAL_GRPC_META_…) ${ODD}`);
  }
  return options;
}

/** Temporal's default, which is also its CLI's. */
const ADDRESS_DEFAULT = "localhost:7233";

/** Where Temporal is expected, and the setting that is at fault if this error came of it, for log lines. */
export function temporalAddress(
  { connectionOptions, namespace }: TemporalOptions,
  error: unknown,
): { address: string; setting: string } {
  const address = connectionOptions?.address;
  const [name, value] =
    error instanceof NoNamespace
      ? (["TEMPORAL_NAMESPACE", namespace] as const)
      : (["TEMPORAL_ADDRESS", address] as const);
  const isInFile = value !== undefined && !process.env[name];
  return {
    address: address ?? ADDRESS_DEFAULT,
    setting: isInFile ? "the profile in TEMPORAL_CONFIG_FILE" : name,
  };
}

const ODD = "is not a text, or has a character that a header cannot carry, such as a line break";

function requireThat(isMet: boolean, problem: string): void {
  if (!isMet) throw new StartError(`Temporal's settings: ${problem}`);
}

/** The profile file may hold values of any type. */
function isHeader(value: unknown): boolean {
  return value === undefined || (typeof value === "string" && HEADER_VALUE.test(value));
}

function isAddress(value: unknown): boolean {
  if (value === undefined) return true;
  const match = typeof value === "string" ? ADDRESS.exec(value) : null;
  const port = Number(match?.[1] ?? PORT_MAX);
  return match !== null && port > 0 && port <= PORT_MAX;
}

/** The SDK leaves out a certificate without its key, and OpenSSL an authority that is none. */
function requirePem(profile: Profile, tls: NonNullable<TemporalOptions["connectionOptions"]>["tls"]): void {
  if (typeof tls !== "object" || tls === null) return;
  const { clientCert, clientKey } = profile.tls ?? {};
  const isPair = (clientCert === undefined) === (clientKey === undefined);
  requireThat(isPair, "TEMPORAL_TLS_CLIENT_CERT_… and TEMPORAL_TLS_CLIENT_KEY_… need each other");
  const { serverRootCACertificate: ca, clientCertPair: pair } = tls;
  const problem = pemProblem({ ca: bytesOf(ca), cert: bytesOf(pair?.crt), key: bytesOf(pair?.key) });
  requireThat(
    problem !== "no_authority",
    "TEMPORAL_TLS_SERVER_CA_CERT_… holds no certificate in PEM, or a damaged one",
  );
  requireThat(problem === undefined, "TEMPORAL_TLS_CLIENT_… is no certificate with its key in PEM");
}

function bytesOf(bytes: Uint8Array | undefined): Buffer | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes);
}

type Profile = ReturnType<typeof loadClientConfigProfile>;

function load(): { profile: Profile; options: TemporalOptions } {
  const variables = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && value !== "" && !isDefaultProfile(name, value),
  );
  try {
    const overrideEnvVars = Object.fromEntries(variables) as Record<string, string>;
    const profile = loadClientConfigProfile({ overrideEnvVars });
    return { profile, options: toClientOptions(profile) };
  } catch (error) {
    throw new StartError(`Temporal's settings: ${problemIn(error)}`);
  }
}

/** The SDK demands a profile that is named, and passes over the default one only if none is. */
function isDefaultProfile(name: string, value: string): boolean {
  return name === "TEMPORAL_PROFILE" && value === "default";
}

/** What looks like the name of a profile, and is too short to be a key that was put there by mistake. */
const PROFILE_NAME = /^[\w.-]{1,30}$/;

/** Explains an error of the file system, the parser or the SDK without its message, which quotes values. */
function problemIn(error: unknown): string {
  const { code, line, column } = error as { code?: string; line?: number; column?: number };
  if (code !== undefined) {
    return `a file of TEMPORAL_CONFIG_FILE or TEMPORAL_TLS_…_PATH cannot be read (${code})`;
  }
  if (line !== undefined) return `the profile file is not valid TOML (line ${line}, column ${column})`;
  if (!/^Profile '.*' not found/s.test(String((error as Error).message))) {
    return "the profile file has no profiles, or has a value of a wrong type in it";
  }
  const name = process.env["TEMPORAL_PROFILE"] ?? "";
  const which = PROFILE_NAME.test(name) ? `profile "${name}"` : "profile";
  return `${profileFile()} lacks the ${which} that TEMPORAL_PROFILE names`;
}

function profileFile(): string {
  const path = process.env["TEMPORAL_CONFIG_FILE"];
  if (!path) return "the profile file (TEMPORAL_CONFIG_FILE is not set, so it is that of Temporal's CLI)";
  return existsSync(path)
    ? `the file ${path} (TEMPORAL_CONFIG_FILE)`
    : "the file of TEMPORAL_CONFIG_FILE does not exist, so it";
}
