import { connect, createServer, type Socket } from "node:net";

/** A proxy between clients and a server that can be made to fail. */
export type TcpProxy = {
  readonly port: number;
  /** Returns how many connections clients have opened so far. */
  opened(): number;
  /** Resets every connection, and every new one. */
  cut(): void;
  /**
   * Forwards nothing any more, as if packets were dropped. Open connections stay open and dead: not even
   * their end is forwarded. New connections are accepted and get no data.
   *
   * @param what `server` drops only the server's data, so the server still receives its clients'
   *   data. Default: `both`
   */
  silence(what?: "both" | "server"): void;
  /**
   * Silences each new connection after the server has sent data `times` times. MySQL first sends its
   * greeting, then the response to the login.
   */
  silenceAfter(times: number): void;
  /**
   * Forwards new connections again. Silenced connections stay dead, as after a failover to another server.
   */
  mend(): void;
  /**
   * Forwards everything again, also what silenced connections have sent meanwhile and that they ended: as TCP
   * does when packets that were lost for a while get through again.
   */
  heal(): void;
  stop(): Promise<void>;
};

type Pair = { readonly client: Socket; readonly upstream: Socket; isDead: boolean };

/** Starts a proxy on a free loopback port. */
export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const pairs = new Set<Pair>();
  /** Connections that were accepted in silence and have no upstream. */
  const mute = new Set<Socket>();
  let state: "open" | "cut" | "silent" = "open";
  let timesMax = Number.POSITIVE_INFINITY;
  let opened = 0;
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    opened += 1;
    if (state === "cut") {
      client.resetAndDestroy();
      return;
    }
    track(client);
    if (state === "silent" || timesMax === 0) {
      mute.add(client);
      client.once("close", () => mute.delete(client));
      return;
    }
    forward(client);
  });
  const forward = (client: Socket) => {
    const upstream = connect(target.port, target.host);
    track(upstream);
    const pair: Pair = { client, upstream, isDead: false };
    pairs.add(pair);
    const end = (other: Socket) => {
      // The other end of a silenced connection does not learn of it before the proxy heals.
      if (pair.isDead && !other.destroyed) return;
      pairs.delete(pair);
      other.destroy();
    };
    client.once("close", () => end(upstream));
    upstream.once("close", () => end(client));
    client.pipe(upstream).pipe(client);
    let left = timesMax;
    upstream.on("data", () => {
      left -= 1;
      if (left === 0) silencePair(pair, "both");
    });
  };
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the proxy has no port");
  const breakAll = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: address.port,
    opened: () => opened,
    cut() {
      state = "cut";
      breakAll();
    },
    silence(what = "both") {
      state = "silent";
      for (const pair of pairs) silencePair(pair, what);
    },
    silenceAfter(times) {
      timesMax = times;
    },
    heal() {
      state = "open";
      for (const pair of pairs) healPair(pair, pairs);
      for (const client of mute) {
        mute.delete(client);
        if (!client.destroyed) forward(client);
      }
    },
    mend() {
      state = "open";
      timesMax = Number.POSITIVE_INFINITY;
    },
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      breakAll();
      await closed;
    },
  };
}

function silencePair(pair: Pair, what: "both" | "server"): void {
  pair.isDead = true;
  pair.upstream.unpipe(pair.client);
  if (what === "both") pair.client.unpipe(pair.upstream);
}

/** Forwards what a silenced pair has sent, or the end of one of the two to the other. */
function healPair(pair: Pair, pairs: Set<Pair>): void {
  const { client, upstream } = pair;
  if (!pair.isDead) return;
  pair.isDead = false;
  if (!client.destroyed && !upstream.destroyed) {
    client.pipe(upstream).pipe(client);
    return;
  }
  pairs.delete(pair);
  client.destroy();
  upstream.destroy();
}
