import { createServer } from "node:http";
import { connect, type Socket } from "node:net";

/** An HTTP proxy for tunnels (CONNECT). */
export type ConnectProxy = {
  readonly url: URL;
  /** The target of each tunnel, as `HOST:PORT`, in order of request. */
  readonly authorities: readonly string[];
  stop(): Promise<void>;
};

/**
 * Starts the proxy on a free loopback port.
 *
 * @param options.credentials `user:password`; requests without them get 407. Default: none are required
 */
export async function startConnectProxy(options: { credentials?: string } = {}): Promise<ConnectProxy> {
  const authorities: string[] = [];
  const sockets = new Set<Socket>();
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => sockets.delete(socket));
  };
  const wanted =
    options.credentials === undefined
      ? undefined
      : `Basic ${Buffer.from(options.credentials).toString("base64")}`;
  const server = createServer((_request, response) => response.writeHead(405).end());
  server.on("connection", track);
  server.on("connect", (request, client: Socket) => {
    if (wanted !== undefined && request.headers["proxy-authorization"] !== wanted) {
      client.end(
        'HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm="proxy"\r\n\r\n',
      );
      return;
    }
    authorities.push(request.url ?? "");
    const { hostname, port } = new URL(`http://${request.url}`);
    const upstream = connect(Number(port || 80), hostname.replace(/^\[|\]$/g, ""));
    track(upstream);
    upstream.once("connect", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      client.pipe(upstream).pipe(client);
    });
    upstream.once("error", () => client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
    upstream.once("close", () => client.end());
    client.once("close", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the proxy has no port");
  return {
    url: new URL(
      `http://${options.credentials === undefined ? "" : `${options.credentials}@`}127.0.0.1:${address.port}`,
    ),
    authorities,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
