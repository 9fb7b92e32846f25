import { DeadlinePassed, startDeadline } from "./deadlines.ts";

/**
 * A fixed number of connections, which callers take in turns. A caller that gives up waiting leaves the
 * queue.
 */
export type Places = {
  /**
   * Resolves when the caller has a place.
   *
   * @param options.withinMs how long to wait for it
   * @param options.isFirst whether the caller goes ahead of the others that wait
   * @throws DeadlinePassed
   */
  take(options: { withinMs: number; isFirst: boolean }): Promise<void>;
  /** Returns a place. */
  give(): void;
  /** Fails every waiting caller, and every later one. */
  close(error: Error): void;
};

type Waiting = { readonly begin: () => void; readonly fail: (error: Error) => void };

export function createPlaces(count: number): Places {
  let free = count;
  let closed: Error | undefined;
  const first = new Set<Waiting>();
  const others = new Set<Waiting>();
  return {
    async take({ withinMs, isFirst }) {
      if (closed !== undefined) throw closed;
      if (free > 0) {
        free -= 1;
        return;
      }
      const queue = isFirst ? first : others;
      await new Promise<void>((resolve, reject) => {
        const leave = () => {
          cancel();
          queue.delete(waiting);
        };
        const waiting: Waiting = {
          begin() {
            leave();
            resolve();
          },
          fail(error) {
            leave();
            reject(error);
          },
        };
        const cancel = startDeadline(withinMs, () =>
          waiting.fail(
            new DeadlinePassed(
              `got no connection to the database within ${withinMs} ms: all ${count} are in use`,
            ),
          ),
        );
        queue.add(waiting);
      });
    },
    give() {
      const [next] = first.size > 0 ? first : others;
      if (next === undefined) free += 1;
      else next.begin();
    },
    close(error) {
      closed = error;
      for (const waiting of [...first, ...others]) waiting.fail(error);
    },
  };
}
