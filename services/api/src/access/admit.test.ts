import { Refusal } from "@posthaste/domain";
import type { Principal } from "@posthaste/store";
import { expect, test } from "vitest";
import type { RequestLine } from "../http/request-line.ts";
import { admit } from "./admit.ts";
import { createLastCallers } from "./last-callers.ts";
import { createLoopTurns } from "./loop-turns.ts";

const principal = { accountId: 1, tokenId: 1, scopes: ["admin"] } as unknown as Principal;
const line = { whenOver: () => {} } as unknown as RequestLine;

test("a caller is known while its token is good, also while it cannot be looked up", async () => {
  const lastCallers = createLastCallers();
  let lookUp = async () => principal;
  const call = async () =>
    await admit(
      {
        ...{ authenticate: () => lookUp(), rateLimit: async () => {}, lastCallers },
        ...{ requestPlaces: { take: () => () => {}, taken: () => 0, accounts: () => 0 } },
        loopTurns: createLoopTurns(),
      },
      "Bearer pht_1",
      "any",
      line,
    ).catch((error: Error) => error.message);
  await call();
  expect(lastCallers.of("Bearer pht_1")).toBe(1);
  lookUp = async () => {
    throw new Error("the database is away");
  };
  expect(await call()).toBe("the database is away");
  expect(lastCallers.of("Bearer pht_1")).toBe(1);
  lookUp = async () => {
    throw new Refusal("unauthenticated", "revoked");
  };
  expect(await call()).toBe("revoked");
  expect(lastCallers.of("Bearer pht_1")).toBeUndefined();
});
