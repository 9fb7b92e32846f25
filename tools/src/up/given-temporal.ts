import { poll } from "../processes/poll.ts";
import { accepts } from "../processes/ports.ts";
import { Complaint } from "../terminal/complaint.ts";

const PORT_DEFAULT = 7233;
/** For one that is being started as well. */
const ANSWERS_WITHIN_MS = 5_000;

/**
 * Waits for the server that TEMPORAL_ADDRESS names: the services would wait for longer, and say much.
 *
 * @param address HOST or HOST:PORT
 * @throws Complaint where nothing accepts connections there
 */
export async function requireTemporal(address: string, signal: AbortSignal): Promise<void> {
  const { host, port } = parsed(address);
  if (await poll(() => accepts(port, host), { withinMs: ANSWERS_WITHIN_MS, signal })) return;
  throw new Complaint(
    `nothing answers at ${address}, which TEMPORAL_ADDRESS names: start that server, or unset the variable`,
  );
}

function parsed(address: string): { host: string; port: number } {
  const url = URL.parse(`tcp://${address}`);
  if (url === null || url.hostname === "") {
    throw new Complaint(`TEMPORAL_ADDRESS is "${address}": give HOST:PORT`);
  }
  // An IPv6 address is written in brackets.
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port || PORT_DEFAULT) };
}
