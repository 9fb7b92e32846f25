import { expect, onTestFinished, test } from "vitest";
import type { HeldSession } from "./stage.ts";
import { joinTabs } from "./tabs.ts";

/** Opens a tab of a browser, which reports what it hears. */
function openTab(browser: string, held?: HeldSession, uses: readonly number[] = []) {
  const heard: unknown[] = [];
  const tabs = joinTabs(
    {
      held: () => held,
      usedBefore: (at) => uses.findLast((use) => use < at) ?? 0,
      onAnswer: (answer) => heard.push(["answer", answer.token]),
      onNoAnswer: () => heard.push(["no answer"]),
      onSignedIn: (session) => heard.push(["signed in", session.token]),
      onSignedOut: (token) => heard.push(["signed out", token]),
    },
    browser,
  );
  onTestFinished(() => tabs.leave());
  return { tabs, heard };
}

const held = (token: string): HeldSession => ({ token, isPortal: false });

test("a new tab gets the session of the tab that was used last before it was opened", async () => {
  const browser = crypto.randomUUID();
  const others = [
    openTab(browser, held("a"), [1]),
    openTab(browser, held("b"), [3, 12]),
    openTab(browser, held("c"), [2, 14]),
  ];
  const { tabs, heard } = openTab(browser);
  tabs.ask(10);
  await expect.poll(() => heard).toEqual([["answer", "b"]]);
  expect(others.flatMap((other) => other.heard)).toEqual([]);
});

test("a new tab whose question nobody answers is told so", async () => {
  const browser = crypto.randomUUID();
  openTab(browser);
  const { tabs, heard } = openTab(browser);
  tabs.ask(10);
  await expect.poll(() => heard).toEqual([["no answer"]]);
});

test("all other tabs hear that somebody signed in, and that a session was ended", async () => {
  const browser = crypto.randomUUID();
  const [one, other] = [openTab(browser), openTab(browser, held("a"))];
  const own = openTab(browser);
  own.tabs.tellSignedIn(held("b"));
  own.tabs.tellSignedOut("b");
  for (const tab of [one, other]) {
    await expect
      .poll(() => tab.heard)
      .toEqual([
        ["signed in", "b"],
        ["signed out", "b"],
      ]);
  }
  expect(own.heard).toEqual([]);
});
