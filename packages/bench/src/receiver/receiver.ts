import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * How the receiver answers, named by the first part of the path: `ok` and `well` with 200 (counted
 * separately), `fail` with 500, `hang` never.
 */
export type Behaviour = "ok" | "well" | "fail" | "hang";

/** A command to the receiver's process. */
export type Command =
  | { readonly kind: "reset" }
  | { readonly kind: "heal" }
  | { readonly kind: "count"; readonly behaviour: Behaviour }
  | { readonly kind: "arrivals" }
  | { readonly kind: "wait"; readonly behaviour: Behaviour; readonly count: number };

/** The answer to a command, with its number. Number 0 reports the port at the start. */
export type Answer = { readonly id: number; readonly value: number | [string, number][] | null };

/** A receiver in a separate process, so that it shares only the machine with the measured processes. */
export type BenchReceiver = {
  readonly pid: number | undefined;
  readonly origin: string;
  /** @param n distinguishes several targets with the same behaviour. Default: 0 */
  url(behaviour: Behaviour, n?: number): string;
  /** Resets the counts and the arrivals. */
  reset(): Promise<void>;
  /** From now on, answers every request with 200. */
  heal(): Promise<void>;
  count(behaviour: Behaviour): Promise<number>;
  /** Returns when each event first arrived at `ok`, in epoch milliseconds. */
  arrivals(): Promise<ReadonlyMap<string, number>>;
  /**
   * Resolves as soon as this many requests have arrived since the last reset. The default behaviour is `ok`.
   *
   * @throws Error if fewer arrive within `withinMs`
   */
  waitFor(count: number, options: { behaviour?: Behaviour; withinMs: number }): Promise<void>;
  stop(): Promise<void>;
};

/** Starts the receiver on a free port. */
export async function startBenchReceiver(): Promise<BenchReceiver> {
  const child = fork(fileURLToPath(new URL("receiver-main.ts", import.meta.url)), {
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  const next = (id: number) =>
    new Promise<Answer>((resolve, reject) => waiting.set(id, { resolve, reject })).finally(() =>
      waiting.delete(id),
    );
  child.on("message", (answer: Answer) => waiting.get(answer.id)?.resolve(answer));
  const ended = new Promise<void>((resolve) =>
    child.once("exit", () => {
      for (const { reject } of waiting.values()) reject(new Error("the receiver's process has ended"));
      resolve();
    }),
  );
  let lastId = 0;
  const ask = async (command: Command) => {
    lastId += 1;
    const answer = next(lastId);
    child.send({ id: lastId, command });
    return (await answer).value;
  };
  const origin = `http://127.0.0.1:${(await next(0)).value}`;
  return {
    pid: child.pid,
    origin,
    url: (behaviour, n = 0) => `${origin}/${behaviour}/${n}`,
    async reset() {
      await ask({ kind: "reset" });
    },
    async heal() {
      await ask({ kind: "heal" });
    },
    count: async (behaviour) => Number(await ask({ kind: "count", behaviour })),
    arrivals: async () => new Map((await ask({ kind: "arrivals" })) as [string, number][]),
    async waitFor(count, { behaviour = "ok", withinMs }) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<"late">((resolve) => {
        timer = setTimeout(() => resolve("late"), withinMs);
      });
      const first = await Promise.race([ask({ kind: "wait", behaviour, count }), late]).finally(() =>
        clearTimeout(timer),
      );
      if (first !== "late") return;
      const arrived = await ask({ kind: "count", behaviour });
      throw new Error(`${arrived} of ${count} requests arrived within ${withinMs} ms`);
    },
    async stop() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
