/** Where a MySQL server is, and how to log in there, as its URL says. */
export type MysqlAddress = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** The server's Unix socket, used instead of host and port. */
  readonly socketPath: string | undefined;
  /** Undefined: the URL does not say, and the connection is in clear text. */
  readonly sslMode: SslMode | undefined;
  readonly sslFiles: SslFiles;
};

/** MySQL's own words. Its `PREFERRED` is missing: whoever sits on the path turns it into clear text. */
const SSL_MODES = ["DISABLED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"] as const;
export type SslMode = (typeof SSL_MODES)[number];

/** Paths of PEM files, by the parameters of the URL. */
const FILE_PARAMETERS = ["ssl-ca", "ssl-cert", "ssl-key"] as const;
export type FileParameter = (typeof FILE_PARAMETERS)[number];
export type SslFiles = Readonly<Partial<Record<FileParameter, string>>>;

const PARAMETERS = ["ssl-mode", ...FILE_PARAMETERS, "socketPath"] as const;
type Parameters = ReadonlyMap<string, string>;

const PORT_DEFAULT = 3306;
const FORM = "expected mysql://USER:PASSWORD@HOST:PORT/NAME or sqlite:PATH";
/** What most often goes wrong in one that does begin with mysql:. */
const CODING = "percent-encode what is special in the user and the password, such as %40 for @ and %23 for #";

/**
 * Reads a URL. The driver would take any parameter for one of its options, and connect in clear text for one
 * that it does not know.
 *
 * @throws Error that says what is wrong. It repeats nothing of the URL but the names of parameters: anything
 *   else may be a part of a password that was not percent-encoded
 */
export function readMysqlUrl(text: string): MysqlAddress {
  const url = parse(text);
  const parameters = readParameters(url.search);
  const socketPath = parameters.get("socketPath");
  if (url.hostname === "" && socketPath === undefined) throw new Error(FORM);
  const sslMode = readSslMode(parameters.get("ssl-mode"));
  const sslFiles = Object.fromEntries(
    FILE_PARAMETERS.flatMap((name) => {
      const path = parameters.get(name);
      return path === undefined ? [] : [[name, path]];
    }),
  ) as SslFiles;
  checkSsl(sslMode, sslFiles, socketPath !== undefined);
  return {
    host: decoded(url.hostname).replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? PORT_DEFAULT : Number(url.port),
    user: decoded(url.username),
    password: decoded(url.password),
    database: decoded(url.pathname.slice(1)),
    socketPath,
    sslMode,
    sslFiles,
  };
}

/** Says that passwords and data cross a network in clear text, unless the URL says that this is meant. */
export function clearTextWarning({ host, socketPath, sslMode }: MysqlAddress): string | undefined {
  const isLocal = socketPath !== undefined || /^(localhost|127(\.\d+){3}|::1)$/i.test(host);
  if (isLocal || sslMode !== undefined) return undefined;
  return `the connection to the database at ${host} is not encrypted: add ?ssl-mode=VERIFY_IDENTITY to DATABASE_URL, or ?ssl-mode=DISABLED if nobody else can read that network`;
}

function parse(text: string): URL {
  if (!text.startsWith("mysql://")) throw new Error(FORM);
  if (!URL.canParse(text)) throw new Error(`${FORM}; ${CODING}`);
  const url = new URL(text);
  // What follows a / or ? of a password that is not percent-encoded would pass for options.
  const isCutShort = url.search.includes("@") || url.hash !== "" || !/^\/[^/@]+$/.test(url.pathname);
  if (isCutShort) throw new Error(`${FORM}; ${CODING}`);
  return url;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Error(`${FORM}; ${CODING}`);
  }
}

function readParameters(search: string): Parameters {
  const parameters = new Map<string, string>();
  // In a path, a plus sign is one.
  for (const [name, value] of new URLSearchParams(search.replaceAll("+", "%2B"))) {
    if (!PARAMETERS.some((known) => known === name)) {
      const which = /^[A-Za-z][\w-]{0,30}$/.test(name) ? `parameter ${name}` : "a parameter";
      throw new Error(`${which} is unknown: the URL takes ${PARAMETERS.join(", ")}`);
    }
    if (parameters.has(name)) throw new Error(`parameter ${name} is given twice`);
    if (value === "") throw new Error(`parameter ${name} is empty`);
    parameters.set(name, value);
  }
  return parameters;
}

function readSslMode(value: string | undefined): SslMode | undefined {
  if (value === undefined) return undefined;
  const mode = SSL_MODES.find((known) => known === value.toUpperCase());
  if (mode === undefined) throw new Error(`ssl-mode must be one of ${SSL_MODES.join(", ")}`);
  return mode;
}

/** Refuses what would promise more than it does. */
function checkSsl(mode: SslMode | undefined, files: SslFiles, isSocket: boolean): void {
  const { "ssl-ca": ca, "ssl-cert": cert, "ssl-key": key } = files;
  const verifies = mode === "VERIFY_CA" || mode === "VERIFY_IDENTITY";
  if (ca !== undefined && !verifies) {
    throw new Error("ssl-ca is used only with ssl-mode=VERIFY_CA or VERIFY_IDENTITY");
  }
  if (mode === "VERIFY_CA" && ca === undefined) {
    throw new Error("ssl-mode=VERIFY_CA needs ssl-ca: without it, any public certificate would pass");
  }
  if ((cert === undefined) !== (key === undefined)) throw new Error("ssl-cert and ssl-key need each other");
  if (cert !== undefined && !verifies && mode !== "REQUIRED") {
    throw new Error("ssl-cert is used only with ssl-mode=REQUIRED, VERIFY_CA or VERIFY_IDENTITY");
  }
  if (isSocket && mode !== undefined && mode !== "DISABLED") {
    throw new Error("socketPath needs no TLS: leave out ssl-mode");
  }
}
