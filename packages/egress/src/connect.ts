import type { LookupAddress } from "node:dns";
import type { LookupFunction, Socket } from "node:net";
import type { EgressRules } from "@posthaste/domain";
import { buildConnector, Client } from "undici";
import { requirePermitted } from "./resolve-target.ts";

export type Route = {
  readonly rules: EgressRules;
  /** Checked already; nothing else is dialled. */
  readonly addresses: readonly LookupAddress[];
  /** PEM. Undefined: Node's own authorities. */
  readonly ca: string | undefined;
  /** When a connection that has not come about is let go of; later than any deadline, which is the clock. */
  readonly abandonMs: number;
  readonly signal: AbortSignal;
  /** Told where the connection that came about leads to. */
  readonly onDialled: (address: string, port: number) => void;
};

/**
 * undici offers HTTP/2 unless told otherwise. Over it, a connection would carry many requests at once, and
 * answers would come without the raw headers that the log keeps.
 */
const HTTP_1_ONLY = { allowH2: false };

/** The proxy cannot be reached or wants another password: the operator's affair, not the receiver's. */
export class ProxyFault extends Error {
  override readonly name = "ProxyFault";
}

/** Connects to one of the checked addresses; TLS is made out to the URL's host. */
export function directly({ rules, addresses, ca, abandonMs, onDialled }: Route): buildConnector.connector {
  const connect = buildConnector({ ...HTTP_1_ONLY, timeout: abandonMs, lookup: onlyThese(addresses), ca });
  return (options, callback) =>
    connect(options, (error, socket) => {
      if (error !== null) return callback(error, null);
      const { remoteAddress = "", remotePort = 0 } = socket;
      try {
        // Whatever was checked before: this is who is at the other end.
        requirePermitted(rules, remoteAddress);
      } catch (blocked) {
        socket.destroy();
        return callback(blocked as Error, null);
      }
      onDialled(remoteAddress, remotePort);
      callback(null, socket);
    });
}

/**
 * Connects through an HTTP proxy (CONNECT, RFC 9110 section 9.3.6). The tunnel goes to an address that was
 * checked, so the proxy resolves nothing; TLS is made out to the URL's host.
 */
export function through(proxy: URL, route: Route): buildConnector.connector {
  const secure = buildConnector({ ...HTTP_1_ONLY, timeout: route.abandonMs, ca: route.ca });
  return (options, callback) => {
    const port = Number(options.port) || (options.protocol === "https:" ? 443 : 80);
    tunnelToOne(proxy, route, port).then(
      (socket) => {
        if (options.protocol === "https:") secure({ ...options, httpSocket: socket }, callback);
        else callback(null, socket);
      },
      (error: Error) => callback(error, null),
    );
  };
}

/** The first address that the proxy reaches. */
async function tunnelToOne(proxy: URL, route: Route, port: number): Promise<Socket> {
  let failure: unknown;
  for (const { address } of route.addresses) {
    try {
      const socket = await tunnel(proxy, endpoint(address, port), route);
      route.onDialled(address, port);
      return socket;
    } catch (error) {
      if (error instanceof ProxyFault) throw error;
      failure = error;
    }
  }
  throw failure;
}

async function tunnel(proxy: URL, authority: string, { abandonMs, signal }: Route): Promise<Socket> {
  const client = new Client(proxy.origin, {
    ...HTTP_1_ONLY,
    connect: { timeout: abandonMs },
    headersTimeout: 0,
  });
  try {
    const { statusCode, socket } = await client
      .connect({ path: authority, headers: { host: authority, ...credentials(proxy) }, signal })
      .catch((cause: unknown) => {
        throw signal.aborted ? cause : new ProxyFault("the outbound proxy cannot be reached", { cause });
      });
    if (statusCode === 200) return socket as Socket;
    socket.on("error", () => {}).destroy();
    if (statusCode === 407) throw new ProxyFault("the outbound proxy wants other credentials");
    throw Object.assign(new Error("no tunnel"), { code: `PROXY_${statusCode}` });
  } finally {
    // The socket of a tunnel has left the client and outlives it.
    client.destroy().catch(() => {});
  }
}

function credentials({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(pair, "utf8").toString("base64")}` };
}

/** Answers every question with the addresses that were checked. */
function onlyThese(addresses: readonly LookupAddress[]): LookupFunction {
  return (_hostname, options, callback) => {
    const [first] = addresses;
    if (options.all === true) callback(null, [...addresses]);
    else callback(null, first?.address ?? "", first?.family);
  };
}

/** As people write it. */
export function endpoint(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
