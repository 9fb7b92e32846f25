import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** How it answers: 200 (`well` is counted apart from `ok`), 500, or never. By the first part of the path. */
export type Behaviour = "ok" | "well" | "fail" | "hang";

/** What its process is asked. */
export type Ask =
  | { readonly kind: "reset" }
  | { readonly kind: "heal" }
  | { readonly kind: "count"; readonly behaviour: Behaviour }
  | { readonly kind: "arrivals" }
  | { readonly kind: "wait"; readonly behaviour: Behaviour; readonly count: number };

/** What it says. */
export type Told = { readonly id: number; readonly answer: number | [string, number][] | null };

/** A receiver in a process of its own, so that it shares nothing but the machine with what is measured. */
export type BenchReceiver = {
  readonly pid: number | undefined;
  readonly origin: string;
  /** @param n tells targets of one behaviour apart */
  url(behaviour: Behaviour, n?: number): string;
  /** Forgets everything that came. */
  reset(): Promise<void>;
  /** From now on everything is answered with 200. */
  heal(): Promise<void>;
  count(behaviour: Behaviour): Promise<number>;
  /** When each event came first, in milliseconds since the epoch, among those answered with 200 from the beginning. */
  arrivals(): Promise<ReadonlyMap<string, number>>;
  /** Resolves as soon as so many came since the last reset. */
  waitFor(count: number, options: { behaviour?: Behaviour; withinMs: number }): Promise<void>;
  stop(): Promise<void>;
};

export async function startBenchReceiver(): Promise<BenchReceiver> {
  const child = fork(fileURLToPath(new URL("receiver-main.ts", import.meta.url)), {
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const waiting = new Map<number, { resolve: (told: Told) => void; reject: (error: Error) => void }>();
  const next = (id: number) =>
    new Promise<Told>((resolve, reject) => waiting.set(id, { resolve, reject })).finally(() =>
      waiting.delete(id),
    );
  child.on("message", (told: Told) => waiting.get(told.id)?.resolve(told));
  const gone = new Promise<void>((resolve) =>
    child.once("exit", () => {
      for (const { reject } of waiting.values()) reject(new Error("the receiver's process has ended"));
      resolve();
    }),
  );
  let lastId = 0;
  const ask = async (what: Ask) => {
    lastId += 1;
    const told = next(lastId);
    child.send({ id: lastId, ask: what });
    return (await told).answer;
  };
  const origin = `http://127.0.0.1:${(await next(0)).answer}`;
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
      const came = await ask({ kind: "count", behaviour });
      throw new Error(`${came} of ${count} requests came within ${withinMs} ms`);
    },
    async stop() {
      child.kill("SIGKILL");
      await gone;
    },
  };
}
