const INBOX = "To see a first delivery, create an inbox in the console and send it a test event.\n\n";
const NO_LOOPBACK = `Inboxes and receivers on this machine are not reached. To reach them, start with
POSTHASTE_EGRESS_ALLOW=127.0.0.0/8, or subscribe a receiver on the public internet.
`;

/** Returns the text that `up` prints when everything runs. */
export function welcome(where: {
  apiUrl: string;
  /** The UI's URL, or a note if `up` did not start Temporal. */
  temporalUi: string;
  apiMetrics: string;
  workerMetrics: string;
  token: string;
  dataDir: string;
  /** Networks that deliveries may reach besides the public internet; empty: none. */
  egressAllow: string;
  /** A first delivery follows by itself. */
  demo: boolean;
}): string {
  const { apiUrl, temporalUi, apiMetrics, workerMetrics, token, dataDir, egressAllow } = where;
  const isLoopbackReached = egressAllow.trim() !== "";
  const reached = isLoopbackReached ? `the public internet and ${egressAllow}` : "the public internet only";
  const rows = [
    ["Console", `${apiUrl}/ (sign in with the token below)`],
    ["API", `${apiUrl} (Connect, gRPC, gRPC-Web)`],
    ["REST gateway", `${apiUrl}/api/Webhook (documented at ${apiUrl}/api/docs)`],
    ["Temporal UI", temporalUi],
    ["Metrics", `${apiMetrics} (API), ${workerMetrics} (worker)`],
    ["Token", token],
    ["Data and logs", dataDir],
    ["Deliveries reach", `${reached} (POSTHASTE_EGRESS_ALLOW)`],
  ] as const;
  const width = Math.max(...rows.map(([name]) => name.length));
  const table = rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join("\n");
  return `
Posthaste is running.

${table}

${isLoopbackReached ? toReceive(where) : NO_LOOPBACK}
Ctrl-C stops everything; the data stays.
`;
}

/** Returns how to see a first delivery on this machine. */
function toReceive({ apiUrl, token, demo }: { apiUrl: string; token: string; demo: boolean }): string {
  return `${demo ? "" : INBOX}To receive on this machine, start a receiver, subscribe it and ingest an event:

  node -e 'require("http").createServer((q, a) => { q.pipe(process.stdout); a.end() }).listen(9000)'

  curl -s ${apiUrl}/api/Webhook \\
    -H 'authorization: Bearer ${token}' -H 'content-type: application/json' \\
    -d '{"target_url": "http://127.0.0.1:9000/hook", "event": "invoice_sent"}'

  curl -s ${apiUrl}/posthaste.v1.EventIngestService/IngestEvent \\
    -H 'authorization: Bearer ${token}' -H 'content-type: application/json' \\
    -d '{"eventType": "invoice_sent", "dataJson": "{\\"InvoiceNumber\\":\\"INV-1\\"}"}'
`;
}
