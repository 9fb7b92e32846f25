import type { AccountId } from "@posthaste/domain";
import type { PageByAccount } from "@posthaste/store";
import { expect, test } from "vitest";
import { createAccountTurns, type Step } from "./account-turns.ts";
import { createSetAside } from "./set-aside.ts";

const IDLE: Step = { moved: 0, pending: 0, goesOn: false };
const ACCOUNTS_AT_ONCE = 16;

/** Lists pieces named by their account and number, as the store does. */
function createList(pieces: ReadonlyMap<number, number>) {
  return async ({
    afterAccount = 0 as AccountId,
    afterOf = () => undefined,
    limit,
  }: PageByAccount<string>) => {
    const later = [...pieces.keys()].filter((id) => id > afterAccount);
    const isLast = later.length <= ACCOUNTS_AT_ONCE;
    const each = isLast && afterAccount === 0 ? Math.floor(limit / Math.max(1, later.length)) : 1;
    const accounts = later.slice(0, ACCOUNTS_AT_ONCE).map((id) => {
      const accountId = id as AccountId;
      const from = Number(afterOf(accountId)?.split(".")[1] ?? 0);
      const left = Array.from({ length: (pieces.get(id) ?? 0) - from }, (_, i) => `${id}.${from + 1 + i}`);
      return { accountId, ids: left.slice(0, each), isAll: left.length <= each };
    });
    return { accounts, isLast };
  };
}

/** Takes turns over so many pieces of each account. Returns the steps of each turn of a pass. */
async function passOver(
  pieces: ReadonlyMap<number, number>,
  stepOf: (id: string) => Partial<Step> = () => ({}),
): Promise<string[][]> {
  const now = () => 0;
  const never = () => {
    throw new Error("nothing is set aside");
  };
  const setAside = createSetAside({ now, isEverybodys: async () => true, onSetAside: never });
  let steps: string[] = [];
  const turn = createAccountTurns<string>(
    {
      name: "work",
      everyMs: 1,
      list: createList(pieces),
      step: async (id) => {
        steps.push(id);
        return { ...IDLE, ...stepOf(id) };
      },
    },
    { now, setAside },
  );
  const turns: string[][] = [];
  for (let goesOn = true; goesOn; ) {
    steps = [];
    ({ goesOn } = await turn());
    turns.push(steps);
  }
  return turns;
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

test("each account has a step before any has its second, however many accounts there are", async () => {
  const turns = await passOver(new Map(numbers(40).map((id) => [id, 3])));
  expect(turns.flat()).toEqual(numbers(3).flatMap((piece) => numbers(40).map((id) => `${id}.${piece}`)));
  expect(turns.map(({ length }) => length)).toEqual([16, 16, 8, 16, 16, 8, 16, 16, 8]);
});

test("an account with one piece has a step in every turn of the pass of one with hundreds", async () => {
  const turns = await passOver(
    new Map([
      [1, 200],
      [2, 1],
    ]),
  );
  expect(turns.map((steps) => steps.filter((id) => id === "2.1").length)).toEqual(new Array(7).fill(1));
  expect(turns.flat().filter((id) => id !== "2.1")).toEqual(numbers(200).map((piece) => `1.${piece}`));
});

test("accounts whose passes differ in length each end theirs, and the common pass ends then", async () => {
  const turns = await passOver(
    new Map([
      [1, 200],
      [2, 90],
    ]),
  );
  expect(turns).toHaveLength(7);
  expect(new Set(turns.flat()).size).toBe(290);
});

test("a step that moves much ends the turn, and the next one begins with the next account", async () => {
  const pieces = new Map([
    [1, 3],
    [2, 2],
    [3, 1],
  ]);
  const turns = await passOver(pieces, (id) => ({ moved: id.startsWith("1.") ? 500 : 1 }));
  expect(turns.slice(0, 4)).toEqual([["1.1"], ["2.1", "3.1"], ["1.2"], ["2.2", "3.1"]]);
  expect(new Set(turns.flat())).toEqual(new Set(["1.1", "1.2", "1.3", "2.1", "2.2", "3.1"]));
});

test("an account of other pieces that end keeps its place", async () => {
  const pieces = new Map([
    [1, 1],
    [2, 1],
  ]);
  const turns = await passOver(pieces, (id) => {
    if (id === "1.1") pieces.delete(1);
    return { moved: 500 };
  });
  expect(turns).toEqual([["1.1"], ["2.1"]]);
});

test("nothing to do is one turn", async () => {
  expect(await passOver(new Map())).toEqual([[]]);
});
