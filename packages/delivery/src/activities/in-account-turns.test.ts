import type { AccountId } from "@posthaste/domain";
import { expect, test } from "vitest";
import { createTurnsByAccount } from "./in-account-turns.ts";

test("work runs at most two at a time, and accounts that wait take turns", async () => {
  const inTurns = createTurnsByAccount(2);
  const begun: string[] = [];
  let running = 0;
  let most = 0;
  const work = (name: string, account: number) =>
    inTurns(account as AccountId, async () => {
      begun.push(name);
      running += 1;
      most = Math.max(most, running);
      await new Promise(setImmediate);
      running -= 1;
      if (name === "a2") throw new Error("a2 failed");
      return name;
    });
  const names = [["a1", "a2", "a3", "a4", "a5"], ["b1", "b2"], ["c1"]];
  const all = await Promise.allSettled(names.flatMap((own, n) => own.map((name) => work(name, n))));
  expect(begun).toEqual(["a1", "a2", "a3", "b1", "c1", "a4", "b2", "a5"]);
  expect(all.filter(({ status }) => status === "rejected")).toHaveLength(1);
  expect(most).toBe(2);
  expect(await work("later", 9)).toBe("later");
});
