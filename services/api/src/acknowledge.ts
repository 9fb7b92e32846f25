export type AcknowledgeOptions<Item, Ack> = {
  /** Works on one item. What it throws ends the stream, once the others under way are acknowledged. */
  readonly work: (item: Item) => Promise<Ack>;
  readonly bytesOf: (item: Item) => number;
  /** Asked before an item is taken: throws where the stream may not go on. */
  readonly mayGoOn: () => Promise<void>;
  /** Made where the stream has to end although the client would go on. */
  readonly ended: (why: Why) => Error;
  /** Aborted when the server stops, or the client has left. */
  readonly signal: AbortSignal;
  readonly bounds: StreamBounds;
};

export type StreamBounds = {
  /** Items that are not acknowledged at most, and their bytes; then nothing more is read. */
  readonly itemsMax: number;
  readonly bytesMax: number;
  /** A stream on which nothing comes for so long is ended. */
  readonly idleMs: number;
  readonly lifeMs: number;
};

/**
 * Works on the items of a stream, several at once, and tells what each came to as soon as it is known: those that are known
 * when the reader asks are told together.
 *
 * An item counts as under way until its acknowledgement has been taken, so a client that does not read is not read from,
 * either, and a stream holds no more than its bounds. However it ends (the client's end, an error, the server's stop), what
 * was taken is worked off and acknowledged first.
 */
export async function* acknowledge<Item, Ack>(
  items: AsyncIterable<Item>,
  options: AcknowledgeOptions<Item, Ack>,
): AsyncGenerator<Ack[]> {
  const { itemsMax, bytesMax } = options.bounds;
  let known: { ack: Ack; bytes: number }[] = [];
  let underWay = 0;
  let bytesUnderWay = 0;
  let isRead = false;
  let failure: { error: unknown } | undefined;
  let changed = () => {};
  const change = () => new Promise<void>((resolve) => (changed = resolve));
  const tell = () => changed();
  let roomMade = () => {};

  const take = async (item: Item) => {
    const bytes = options.bytesOf(item);
    underWay += 1;
    bytesUnderWay += bytes;
    try {
      const ack = await options.work(item);
      known.push({ ack, bytes });
    } catch (error) {
      failure ??= { error };
      underWay -= 1;
      bytesUnderWay -= bytes;
    }
    tell();
  };
  const read = async () => {
    try {
      for await (const item of untilEnded(items, options)) {
        await options.mayGoOn();
        void take(item);
        while (underWay >= itemsMax || bytesUnderWay >= bytesMax) {
          await new Promise<void>((resolve) => (roomMade = resolve));
        }
        if (failure !== undefined) break;
      }
    } catch (error) {
      failure ??= { error };
    }
    isRead = true;
    tell();
  };
  void read();
  for (;;) {
    const waiting = change();
    if (known.length > 0) {
      const told = known;
      known = [];
      yield told.map(({ ack }) => ack);
      underWay -= told.length;
      for (const { bytes } of told) bytesUnderWay -= bytes;
      roomMade();
    } else if ((isRead || failure !== undefined) && underWay === 0) {
      if (failure !== undefined) throw failure.error;
      return;
    } else await waiting;
  }
}

type Why = "stopping" | "idle" | "old";

/**
 * The items until the stream is over, idle or old, or the server stops. Two timers and one listener for all items: what is made for
 * each would be kept as long as the stream's signal.
 */
async function* untilEnded<Item>(
  items: AsyncIterable<Item>,
  { signal, bounds, ended }: Pick<AcknowledgeOptions<Item, unknown>, "signal" | "bounds" | "ended">,
): AsyncGenerator<Item> {
  const iterator = items[Symbol.asyncIterator]();
  let why: Why | undefined = signal.aborted ? "stopping" : undefined;
  let wake: (() => void) | undefined;
  const end = (reason: Why) => {
    why ??= reason;
    wake?.();
  };
  const stop = () => end("stopping");
  signal.addEventListener("abort", stop);
  // A pause in which nothing is read, for want of room, is not the sender's.
  const idle = setTimeout(() => wake && end("idle"), bounds.idleMs);
  const life = setTimeout(() => end("old"), bounds.lifeMs);
  try {
    for (;;) {
      idle.refresh();
      const next = await new Promise<IteratorResult<Item> | undefined>((resolve, reject) => {
        if (why !== undefined) return resolve(undefined);
        wake = () => resolve(undefined);
        iterator.next().then(resolve, reject);
      });
      wake = undefined;
      if (next === undefined) throw ended(why ?? "stopping");
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    clearTimeout(idle);
    clearTimeout(life);
    signal.removeEventListener("abort", stop);
  }
}
