import type { LookupAddress } from "node:dns";
import { connect, type Socket } from "node:net";

/**
 * Addresses that are tried. A name may have more, and the name's owner chooses them. With both families, it
 * is half of each.
 */
const TRIED_MAX = 8;
/** Addresses that are tried at once: each takes a file descriptor, and the attempt needs one connection. */
const AT_ONCE_MAX = 3;
/** After how long another address joins: the value that RFC 8305, section 8, recommends. */
const JOIN_AFTER_MS = 250;
/**
 * After how long another address replaces the oldest one, if no more may join. The last one is tried after
 * 10.5 s, or 14 s through a proxy; an attempt has 15 s by default.
 */
const REPLACE_AFTER_MS = 2_000;
/** TCP's keep-alive finds a peer that is gone without a word. */
const KEEP_ALIVE_AFTER_MS = 60_000;
/** Read at once, at most. */
const READ_BYTES = 65_536;

export type Connected = { readonly socket: Socket; readonly address: string };

/** How to reach one address. The signal ends it; it then rejects, mostly with the signal's reason. */
type Open = (address: string, signal: AbortSignal) => Promise<Socket>;

type TryOptions = {
  readonly signal: AbortSignal;
  /** After how long without a connection another address joins. Default: 250 ms. */
  readonly joinAfterMs?: number;
  /** Returns whether no other address can help after this error. Default: one always may. */
  readonly isFinal?: (error: unknown) => boolean;
  /**
   * Returns whether this machine lacks something that each further address needs, too. None joins then, and
   * those in progress go on. If none of them connects, this error is thrown, although others failed or the
   * signal ended them. Default: it never does.
   */
  readonly isLack?: (error: unknown) => boolean;
  /** Called with the first such error. */
  readonly onLack?: (error: unknown) => void;
};

/**
 * Connects to the first of several addresses that answers (RFC 8305, Happy Eyeballs). One after the other
 * joins, at once if one has failed, and those before it go on: one that is far away may be the only one that
 * answers. Node's own way would give each up after 250 ms.
 *
 * @throws the error of the only address, of all of them (AggregateError, in the order in which they were
 *   tried), or the signal's reason
 */
export async function connectToOne(
  addresses: readonly LookupAddress[],
  open: Open,
  options: TryOptions,
): Promise<Connected> {
  const { signal, joinAfterMs = JOIN_AFTER_MS, isFinal = () => false, isLack = () => false } = options;
  const candidates = alternate(addresses).slice(0, TRIED_MAX);
  /** Those in progress, the oldest first. */
  const trying = new Map<number, AbortController>();
  const errors: unknown[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<Connected>();
  let begun = 0;
  let failed = 0;
  let isOver = false;
  let lack: { readonly error: unknown } | undefined;
  let timer: NodeJS.Timeout | undefined;

  const end = (winner?: number) => {
    isOver = true;
    clearTimeout(timer);
    for (const [n, attempt] of trying) if (n !== winner) attempt.abort();
  };
  const giveUp = (error: unknown) => {
    end();
    reject(error);
  };
  const fail = (n: number, error: unknown) => {
    if (isOver) return;
    const wasTrying = trying.delete(n);
    errors[n] = error;
    failed += 1;
    if (lack === undefined && isLack(error)) {
      lack = { error };
      options.onLack?.(error);
      clearTimeout(timer);
    }
    if (isFinal(error) || candidates.length === 1) giveUp(error);
    else if (lack !== undefined) {
      if (trying.size === 0) giveUp(lack.error);
    } else if (failed === candidates.length) giveUp(new AggregateError(errors));
    else if (wasTrying) join();
  };
  const replaceOldest = () => {
    const [oldest] = trying;
    if (oldest === undefined) return;
    const [n, attempt] = oldest;
    trying.delete(n);
    attempt.abort(Object.assign(new Error("the address does not answer"), { code: "ETIMEDOUT" }));
    join();
  };
  const join = () => {
    clearTimeout(timer);
    const n = begun;
    const address = candidates[n]?.address;
    if (address === undefined) return;
    begun += 1;
    const attempt = new AbortController();
    trying.set(n, attempt);
    if (begun < candidates.length) {
      const isFull = trying.size >= AT_ONCE_MAX;
      timer = isFull ? setTimeout(replaceOldest, REPLACE_AFTER_MS) : setTimeout(join, joinAfterMs);
    }
    const opening = async () => await open(address, attempt.signal);
    opening().then(
      (socket) => {
        if (isOver || attempt.signal.aborted) return void socket.destroy();
        end(n);
        resolve({ socket, address });
      },
      (error: unknown) => fail(n, error),
    );
  };
  const onAbort = () => giveUp(lack === undefined ? signal.reason : lack.error);
  signal.addEventListener("abort", onAbort);
  try {
    if (signal.aborted) onAbort();
    else join();
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Opens a TCP connection to an address. */
export function openTcp(address: string, port: number, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({
    ...{ host: address, port, signal, highWaterMark: READ_BYTES },
    ...{ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS },
  });
  // It stays, because an error may come before its next owner listens.
  socket.on("error", (error) => reject(signal.aborted ? signal.reason : error));
  socket.once("connect", () => resolve(socket));
  return promise;
}

/** Orders addresses so that the families alternate, each in its order (RFC 8305, section 4). */
function alternate(addresses: readonly LookupAddress[]): LookupAddress[] {
  const first = addresses.filter(({ family }) => family === addresses[0]?.family);
  const second = addresses.filter(({ family }) => family !== addresses[0]?.family);
  return first
    .flatMap((address, i) => [address, ...second.slice(i, i + 1)])
    .concat(second.slice(first.length));
}
