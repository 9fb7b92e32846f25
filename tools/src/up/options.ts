import { resolve } from "node:path";
import { Complaint, parseCommandLine } from "@posthaste/runtime/terminal";

export type UpOptions = {
  readonly demo: boolean;
  /** The API's port. */
  readonly port: number;
  /** The Temporal server's port; undefined: 7233, or a free port if that one is in use. */
  readonly temporalPort: number | undefined;
  readonly temporalUiPort: number;
  /** An absolute path. */
  readonly dataDir: string;
};

const PORT_DEFAULT = 8080;
export const TEMPORAL_PORT_DEFAULT = 7233;
const TEMPORAL_UI_PORT_DEFAULT = 8233;

export const UP_USAGE = `npm run up -- [options]

Installs dependencies, builds, and runs everything on this machine: a Temporal server with its UI, the API and
the worker, with SQLite. Ctrl-C stops everything. The data stays, and the next run uses it again.

  --demo                    also delivers a sample event to a sample receiver and prints the received request
  --port PORT               the API's port (default ${PORT_DEFAULT})
  --temporal-port PORT      Temporal's port (default ${TEMPORAL_PORT_DEFAULT}, or a free one if in use)
  --temporal-ui-port PORT   the Temporal UI's port (default ${TEMPORAL_UI_PORT_DEFAULT})
  --data DIR                the folder for all data and logs, and nothing else; it is closed to
                            other users (default .posthaste)
  --help                    shows this text

Environment:
  POSTHASTE_ADMIN_TOKEN     admin token; if unset, one is created and kept in DIR/admin-token
  POSTHASTE_SECRET_KEYS     keys that encrypt secrets; if unset, one is created and kept in DIR/secret-keys
  POSTHASTE_INBOX           on or off: inboxes in the console, to receive test webhooks (default on)
  POSTHASTE_EGRESS_ALLOW    networks that deliveries may reach besides the public internet (default loopback;
                            empty: none)
  TEMPORAL_ADDRESS          a Temporal server to use instead of a new one; the SDK's other variables apply`;

/**
 * Parses the command line of `npm run up`.
 *
 * @param cwd the folder to which a relative --data is relative
 * @throws Complaint for an unknown option, an invalid port, or a port that is given twice
 */
export function parseUpOptions(args: readonly string[], cwd: string): UpOptions | "help" {
  const { values } = parseCommandLine("up", {
    args,
    options: {
      demo: { type: "boolean" },
      port: { type: "string" },
      "temporal-port": { type: "string" },
      "temporal-ui-port": { type: "string" },
      data: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) return "help";
  const port = portOf("--port", values.port, PORT_DEFAULT);
  const temporalUiPort = portOf("--temporal-ui-port", values["temporal-ui-port"], TEMPORAL_UI_PORT_DEFAULT);
  const temporalPort =
    values["temporal-port"] === undefined ? undefined : portOf("--temporal-port", values["temporal-port"], 0);
  requireDistinct({
    "--port": port,
    "--temporal-port": temporalPort,
    "--temporal-ui-port": temporalUiPort,
  });
  if (values.data === "") throw new Complaint("--data is empty: name a folder");
  return {
    demo: values.demo === true,
    port,
    temporalPort,
    temporalUiPort,
    dataDir: resolve(cwd, values.data ?? ".posthaste"),
  };
}

function portOf(flag: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) {
    throw new Complaint(`${flag} is "${text}": give a port from 1 to 65535`);
  }
  return port;
}

function requireDistinct(ports: Readonly<Record<string, number | undefined>>): void {
  const flags = new Map<number, string>();
  for (const [flag, port] of Object.entries(ports)) {
    if (port === undefined) continue;
    const other = flags.get(port);
    if (other !== undefined)
      throw new Complaint(`${other} and ${flag} are both ${port}: choose different ports`);
    flags.set(port, flag);
  }
}
