import { connect, type Socket } from "node:net";
import { setInterval } from "node:timers/promises";
import type { Random } from "@posthaste/testkit";

/** What is attacked. Everything is on loopback addresses. */
export type Target = {
  readonly apiUrl: string;
  /** A token of the hostile account, with every scope but `admin`. */
  readonly token: string;
  /** A receiver of the hostile account, which misbehaves. */
  readonly receiverUrl: string;
  /** An inbox of the hostile account. */
  readonly inboxId: string;
};

/**
 * What an attack did. Only the answers of calls by {@link send} are read, so only they count as accepted or
 * refused.
 */
export type Tally = { connections: number; requests: number; accepted: number; refused: number };

/** One strike of an attack. All that it opens ends with it. */
export type StrikeContext = {
  readonly target: Target;
  readonly random: Random;
  /** Aborts when the strike is over. */
  readonly signal: AbortSignal;
  readonly tally: Tally;
  /** Opens a connection to the API; undefined if the strike has too many. */
  open(): Socket | undefined;
};

export type Attack = (strike: StrikeContext) => Promise<void>;

/** Connections that one strike has at once: all strikes together stay far below what a machine may open. */
const CONNECTIONS_MAX = 300;

/** Runs an attack until its signal aborts, and then closes what it has opened. */
export async function strike(
  attack: Attack,
  { target, random, signal, tally }: Omit<StrikeContext, "open">,
): Promise<void> {
  const port = Number(new URL(target.apiUrl).port);
  const sockets = new Set<Socket>();
  const open = () => {
    if (sockets.size >= CONNECTIONS_MAX || signal.aborted) return undefined;
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    sockets.add(socket);
    tally.connections += 1;
    socket.once("close", () => sockets.delete(socket));
    // The server may end or reset it at any time.
    socket.on("error", () => socket.destroy());
    socket.once("end", () => socket.destroySoon());
    return socket.resume();
  };
  try {
    await attack({ target, random, signal, tally, open });
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/** Yields every `ms` until the signal aborts. */
export async function* every(ms: number, signal: AbortSignal): AsyncGenerator<void> {
  try {
    for await (const _ of setInterval(ms, undefined, { signal })) yield;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/**
 * Begins something every `everyMs` until the strike is over, unless it is under way `atOnceMax` times.
 * Resolves once all of it has ended.
 */
export async function keepDoing(
  { signal }: StrikeContext,
  { everyMs, atOnceMax }: { readonly everyMs: number; readonly atOnceMax: number },
  act: () => Promise<unknown>,
): Promise<void> {
  const underWay = new Set<Promise<unknown>>();
  for await (const _ of every(everyMs, signal)) {
    if (underWay.size >= atOnceMax) continue;
    const one = act().finally(() => underWay.delete(one));
    underWay.add(one);
  }
  await Promise.all(underWay);
}

export type Call = {
  /** Default: POST. */
  readonly method?: string;
  readonly path: string;
  readonly token?: string | undefined;
  /** Default: JSON. */
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
};

/** Sends a request. Resolves with the answer's body; undefined if it was refused. */
export async function send(
  { target, signal, tally }: StrikeContext,
  call: Call,
): Promise<string | undefined> {
  const { method = "POST", path, token, type = "application/json", headers = {}, body } = call;
  tally.requests += 1;
  const authorization: Record<string, string> =
    token === undefined ? {} : { authorization: `Bearer ${token}` };
  try {
    const response = await fetch(`${target.apiUrl}${path}`, {
      method,
      headers: { "content-type": type, ...authorization, ...headers },
      signal,
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    tally[response.ok ? "accepted" : "refused"] += 1;
    if (response.ok) return text;
  } catch {
    // Unless the end of the strike has cut it off, the API has.
    if (!signal.aborted) tally.refused += 1;
  }
  return undefined;
}

/** Calls an RPC as the hostile account, and returns its answer; undefined if it was refused. */
export async function rpc(
  strike: StrikeContext,
  method: string,
  message: unknown,
): Promise<Record<string, unknown> | undefined> {
  const answer = await send(strike, {
    path: `/posthaste.v1.${method}`,
    token: strike.target.token,
    body: JSON.stringify(message),
  });
  return answer === undefined ? undefined : JSON.parse(answer);
}
