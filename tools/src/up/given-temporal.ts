import { poll } from "../processes/poll.ts";
import { Complaint } from "../terminal/complaint.ts";

/** A server may be starting at the same moment. */
const ANSWERS_WITHIN_MS = 5_000;
/** The longest wait for one answer: a port may accept connections and say nothing. */
const ANSWER_MS = 2_000;
/** HOST or HOST:PORT; an IPv6 address is written in brackets. */
const ADDRESS = /^(?:\[[\da-fA-F:.]+\]|[^\s:/[\]]+)(?::(\d{1,5}))?$/;
const PORT_MAX = 65_535;
/** A complaint is one line. */
const REASON_CHARS_MAX = 160;

/**
 * Waits until the Temporal server that TEMPORAL_ADDRESS names answers. The services would wait for longer and say
 * more.
 *
 * @throws Complaint where no Temporal server answers, or the address is malformed
 */
export async function requireTemporal(address: string, signal: AbortSignal): Promise<void> {
  checkAddress(address);
  // Loaded only here: the SDK takes a while, and most starts bring their own server.
  const { askTemporal, connectTemporal, temporalOptions } = await import("@posthaste/delivery/client");
  const client = connectTemporal(temporalOptions());
  let why = "";
  const answers = async () => {
    try {
      await askTemporal(client, ANSWER_MS);
      return true;
    } catch (error) {
      why = reasonFor(error);
      return false;
    }
  };
  try {
    if (await poll(answers, { withinMs: ANSWERS_WITHIN_MS, signal })) return;
  } finally {
    await client.connection.close();
  }
  throw new Complaint(
    `no Temporal server answers at ${address}, which TEMPORAL_ADDRESS names (${why}): start that server, or unset the variable`,
  );
}

function checkAddress(address: string): void {
  const match = ADDRESS.exec(address);
  const port = match?.[1];
  if (match !== null && (port === undefined || (Number(port) > 0 && Number(port) <= PORT_MAX))) return;
  throw new Complaint(`TEMPORAL_ADDRESS is "${address}": give HOST:PORT`);
}

/** gRPC's own words, in which several causes follow each other. */
function reasonFor(error: unknown): string {
  const deepest = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const words = deepest instanceof Error ? deepest.message : String(deepest);
  return (words.split("\n")[0] ?? "").slice(0, REASON_CHARS_MAX);
}
