import { create } from "@bufbuild/protobuf";
import { SessionSchema } from "@posthaste/contracts/session";
import { describe, expect, test } from "vitest";
import { type HeldSession, type SessionEvent, type Stage, stageAfter, tokenOf } from "./stage.ts";

const OPERATOR: HeldSession = { token: "pht_operator", isPortal: false };
const CUSTOMER: HeldSession = { token: "pht_customer", isPortal: true };
const sessionOf = (accountId: number) => create(SessionSchema, { accountId });
const signIn = (held: HeldSession, accountId = 1): SessionEvent => ({
  kind: "signed in",
  held,
  session: sessionOf(accountId),
});
const after = (events: readonly SessionEvent[], from: Stage = { kind: "asking" }) =>
  events.reduce(stageAfter, from);

describe("a tab without a session", () => {
  test("takes that of another tab, also if it answers late", () => {
    const answered = { kind: "answered", held: CUSTOMER } as const;
    expect(after([answered])).toEqual({ kind: "resuming", held: CUSTOMER });
    expect(after([{ kind: "unanswered" }, answered])).toEqual({ kind: "resuming", held: CUSTOMER });
  });

  test("takes an operator's that begins in another tab, and no customer's", () => {
    const elsewhere = (held: HeldSession) =>
      after([{ kind: "unanswered" }, { kind: "signed in elsewhere", held }]);
    expect(elsewhere(OPERATOR)).toEqual({ kind: "resuming", held: OPERATOR });
    expect(elsewhere(CUSTOMER)).toMatchObject({ kind: "signed out" });
  });

  test("takes none after its own was ended by its owner", () => {
    const out = after([signIn(OPERATOR), { kind: "signed out", token: OPERATOR.token }]);
    expect(stageAfter(out, { kind: "answered", held: OPERATOR })).toBe(out);
  });
});

describe("a tab with a session", () => {
  test("keeps it, whatever begins or ends in others", () => {
    const own = after([signIn(OPERATOR)]);
    for (const event of [
      { kind: "signed in elsewhere", held: CUSTOMER },
      { kind: "answered", held: CUSTOMER },
      { kind: "signed out", token: CUSTOMER.token },
      { kind: "refused", token: CUSTOMER.token },
    ] as const) {
      expect(stageAfter(own, event)).toBe(own);
    }
  });

  test("keeps its page when the session ends, and goes on in the same account only", () => {
    const ended = after([signIn(OPERATOR), { kind: "refused", token: OPERATOR.token }]);
    expect(ended).toMatchObject({ kind: "signed in", number: 1, isEnded: true });
    const renewed = { token: "pht_renewed", isPortal: false };
    expect(stageAfter(ended, signIn(renewed))).toMatchObject({ held: renewed, number: 1, isEnded: false });
    expect(stageAfter(ended, signIn(renewed, 2))).toMatchObject({ number: 2, isEnded: false });
  });

  test("that has ended is offered what begins elsewhere, of its own kind", () => {
    const ended = after([signIn(CUSTOMER), { kind: "refused", token: CUSTOMER.token }]);
    expect(stageAfter(ended, { kind: "signed in elsewhere", held: OPERATOR })).toBe(ended);
    const held = { token: "pht_next", isPortal: true };
    expect(stageAfter(ended, { kind: "signed in elsewhere", held })).toMatchObject({ offered: held });
  });

  test("is signed out with all that share its token, and remembers whose it was", () => {
    const out = after([signIn(CUSTOMER), { kind: "signed out", token: CUSTOMER.token }]);
    expect(out).toEqual({ kind: "signed out", isPortal: true, why: "signed out" });
    expect(tokenOf(out)).toBeUndefined();
  });
});

test("a stored token that the API refuses asks for another", () => {
  const resuming: Stage = { kind: "resuming", held: OPERATOR };
  expect(after([{ kind: "refused", token: OPERATOR.token }], resuming)).toEqual({
    kind: "signed out",
    isPortal: false,
    why: "ended",
  });
});
