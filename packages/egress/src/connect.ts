import type { LookupAddress } from "node:dns";
import type { Socket } from "node:net";
import type { EgressRules } from "@posthaste/domain";
import { buildConnector, Client } from "undici";
import { isLack } from "./classify-error.ts";
import { type Connected, connectToOne, openTcp } from "./dial.ts";
import { CredentialsRefused, ProxyFault } from "./proxy-fault.ts";
import { requirePermitted } from "./resolve-target.ts";
import { secure } from "./secure.ts";
import type { TlsGuardOptions } from "./tls-guard.ts";

export type Route = TlsGuardOptions & {
  readonly rules: EgressRules;
  /** The addresses that have been checked. No other address is dialled. */
  readonly addresses: readonly LookupAddress[];
  /** PEM. Undefined: Node's default authorities. */
  readonly ca: string | undefined;
  /** The connect timeout of the proxy. It only cleans up: it is later than any deadline of an attempt. */
  readonly abandonMs: number;
  /** Aborted if the attempt ends before there is a connection. */
  readonly signal: AbortSignal;
  /** Called with the error if this machine lacks a descriptor for an address. */
  readonly onLack: (error: unknown) => void;
  /** Called when the proxy has accepted a connection, and is asked for a tunnel. */
  readonly onProxyReached: () => void;
  /** Called with an established connection, before TLS, and the remote address that it leads to. */
  readonly onDialled: (socket: Socket, address: string, port: number) => void;
};

/**
 * After how long another address joins one for which the proxy has opened no tunnel. RFC 8305, section 8, has
 * no more than 2 s. It is so long because each tunnel is a connection of the proxy, too.
 */
const TUNNEL_JOINS_AFTER_MS = 2_000;
/** By default, undici offers HTTP/2 to a proxy. */
const HTTP_1_ONLY = { allowH2: false };
/** How long an address of the proxy is tried before the next: proxies are near, and time is short. */
const PROXY_ADDRESS_TIMEOUT_MS = 500;

/**
 * Returns a connector to one of the checked addresses. TLS verifies the certificate against the URL's host.
 */
export function directly(route: Route): buildConnector.connector {
  const { rules, addresses, signal, onLack } = route;
  return connector(route, async (port) => {
    const open = (address: string, ended: AbortSignal) => openTcp(address, port, ended);
    const connected = await connectToOne(addresses, open, { signal, isLack, onLack });
    const { remoteAddress } = connected.socket;
    try {
      if (remoteAddress === undefined) throw coded("the receiver reset the connection at once", "ECONNRESET");
      // Check the actual remote address once more, before anything is sent.
      requirePermitted(rules, remoteAddress);
      return connected;
    } catch (error) {
      connected.socket.destroy();
      throw error;
    }
  });
}

/**
 * Returns a connector through an HTTP proxy (CONNECT, RFC 9110 section 9.3.6). The tunnel leads to a checked
 * address, so the proxy resolves no names. TLS verifies the certificate against the URL's host.
 */
export function through(proxy: URL, route: Route): buildConnector.connector {
  const { addresses, signal, onLack } = route;
  const isFinal = (error: unknown) => error instanceof CredentialsRefused;
  return connector(route, (port) =>
    connectToOne(
      addresses,
      (address, ended) => tunnel(proxy, endpoint(address, port), { ...route, signal: ended }),
      { signal, isFinal, isLack, onLack, joinAfterMs: TUNNEL_JOINS_AFTER_MS },
    ),
  );
}

/** Returns a connector that connects, and then makes the connection secure if the URL says so. */
function connector(route: Route, open: (port: number) => Promise<Connected>): buildConnector.connector {
  return (options, callback) => {
    const port = Number(options.port) || (options.protocol === "https:" ? 443 : 80);
    // TLS is a step of its own, with a guard below it.
    open(port).then(
      ({ socket, address }) => {
        route.onDialled(socket, address, port);
        if (options.protocol === "https:") secure(socket, options, route, callback);
        else callback(null, socket);
      },
      (error: Error) => callback(error, null),
    );
  };
}

async function tunnel(proxy: URL, authority: string, route: Route): Promise<Socket> {
  const { abandonMs, signal, onProxyReached } = route;
  const addressTimeout = { autoSelectFamilyAttemptTimeout: PROXY_ADDRESS_TIMEOUT_MS };
  const dial = buildConnector({ ...HTTP_1_ONLY, timeout: abandonMs, ...addressTimeout });
  let isReached = false;
  const client = new Client(proxy.origin, {
    connect: (options, callback) =>
      dial(options, (...[error, socket]) => {
        if (error !== null) return callback(error, null);
        isReached = true;
        onProxyReached();
        callback(null, socket);
      }),
    headersTimeout: 0,
  });
  try {
    const { statusCode, headers, socket } = await client
      .connect({ path: authority, headers: { host: authority, ...credentials(proxy) }, signal })
      .catch((cause: unknown) => {
        if (!isReached) throw new ProxyFault("the outbound proxy cannot be reached", { cause });
        if (signal.aborted) throw signal.reason;
        // It may do so whenever it is asked for this target, so that the attempt has to count.
        throw coded("the outbound proxy closed the connection", "PROXY_CLOSED");
      });
    if (statusCode === 200) return socket as Socket;
    socket.on("error", () => {}).destroy();
    // Some proxies answer 407 also for a target that they do not allow, and ask for no credentials then.
    if (statusCode === 407 && headers["proxy-authenticate"] !== undefined) {
      throw new CredentialsRefused("the outbound proxy refuses the credentials");
    }
    throw coded("no tunnel", `PROXY_${statusCode}`);
  } finally {
    // A tunnel's socket no longer belongs to the client, so it stays open.
    client.destroy().catch(() => {});
  }
}

function coded(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}

function credentials({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(pair, "utf8").toString("base64")}` };
}

/** Formats an address and port for people, with brackets around an IPv6 address. */
export function endpoint(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
