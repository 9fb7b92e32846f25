import { readFileSync } from "node:fs";
import { connect, isIP } from "node:net";
import { pemProblem, StartError } from "@posthaste/runtime";
import type { PoolOptions, SslOptions } from "mysql2";
import type { FileParameter, MysqlAddress } from "./mysql-url.ts";
import { codeOf } from "./seam.ts";

/**
 * Returns the driver's options for a server. PEM files are read here, once. All pools of a store should share
 * the options, and with them the TLS sessions.
 *
 * @throws StartError if a file cannot be read or used
 */
export function driverOptions(address: MysqlAddress): PoolOptions {
  const { host, port, user, password, database, socketPath, sslMode } = address;
  const login = { user, password, database };
  if (socketPath !== undefined) return { ...login, socketPath };
  if (sslMode === undefined || sslMode === "DISABLED") return { ...login, host, port };
  const ssl = sslOptions(address);
  if (sslMode !== "VERIFY_IDENTITY" || isIP(host) === 0) return { ...login, host, port, ssl };
  // For an address, the driver has the certificate checked for "localhost". With a dot at its end it passes
  // for a name, and Node's check ignores that dot. No name must be resolved, hence the stream.
  return { ...login, host: `${host}.`, port, ssl, stream: (options: Dialling) => dial(address, options) };
}

type Dialling = { readonly config: { readonly keepAliveInitialDelay?: number } };

/** Opens a connection as the driver does. */
function dial({ host, port }: MysqlAddress, { config: { keepAliveInitialDelay } }: Dialling) {
  return connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay });
}

function sslOptions({ sslMode, sslFiles }: MysqlAddress): SslOptions {
  const read = (parameter: FileParameter) => {
    const path = sslFiles[parameter];
    return path === undefined ? {} : { [parameter.slice("ssl-".length)]: readPem(parameter, path) };
  };
  const pem: { ca?: string; cert?: string; key?: string } = {
    ...read("ssl-ca"),
    ...read("ssl-cert"),
    ...read("ssl-key"),
  };
  switch (pemProblem(pem)) {
    case "no_authority":
      throw new StartError("DATABASE_URL: the file of ssl-ca holds no certificate in PEM, or a damaged one");
    case "no_pair":
    case "malformed_pair":
      throw new StartError("DATABASE_URL: ssl-cert and ssl-key are no certificate with its key in PEM");
  }
  return {
    ...pem,
    rejectUnauthorized: sslMode !== "REQUIRED",
    verifyIdentity: sslMode === "VERIFY_IDENTITY",
  };
}

function readPem(parameter: FileParameter, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new StartError(`DATABASE_URL: the file of ${parameter} cannot be read (${codeOf(error)})`, {
      cause: error,
    });
  }
}

/** Explains why the server did not let us in, if TLS has to do with it; undefined for any other error. */
export function loginProblem(error: unknown): string | undefined {
  switch (codeOf(error)) {
    case "HANDSHAKE_NO_SSL_SUPPORT":
      return "the server offers no TLS, which ssl-mode in DATABASE_URL demands";
    case "ER_SECURE_TRANSPORT_REQUIRED":
      return "the server demands TLS: set ssl-mode in DATABASE_URL";
    // MariaDB's answer to clear text, and everybody's to a missing certificate.
    case "ER_ACCESS_DENIED_ERROR":
      return "the server turned the user away (ER_ACCESS_DENIED_ERROR): check user and password in DATABASE_URL, and ssl-mode if it demands TLS or a certificate";
    case "HANDSHAKE_SSL_ERROR":
      return `TLS failed (${reasonOf(error)}): check ssl-mode and the ssl-… files in DATABASE_URL`;
    default:
      return undefined;
  }
}

/** The driver replaces the code of the error. Node and OpenSSL add advice and their own source lines. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const { reason } = error as { reason?: unknown };
  return typeof reason === "string" ? reason : (error.message.split(";")[0] ?? "");
}
