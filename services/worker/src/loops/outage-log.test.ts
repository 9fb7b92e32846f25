import { type Log, silentLog } from "@posthaste/runtime";
import { expect, test } from "vitest";
import { createOutageLog, type Dependency } from "./outage-log.ts";

/** Returns a log and the events that were written to it. */
function eventLog() {
  const events: string[] = [];
  const note = (event: string) => void events.push(event);
  return { events, log: { ...silentLog, info: note, error: note } satisfies Log };
}

test("an idle look does not end an outage that begins while it asks", async () => {
  const { events, log } = eventLog();
  let answer = (_away: readonly Dependency[]) => {};
  const whatIsAway = () =>
    new Promise<readonly Dependency[]>((resolve) => {
      answer = resolve;
    });
  const outages = createOutageLog("test", log, whatIsAway);
  const first = outages.failed(new Error("refused"));
  answer(["temporal"]);
  await first;
  const idle = outages.idle();
  const answerIdle = answer;
  const second = outages.failed(new Error("refused again"));
  answerIdle([]);
  expect(await idle).toBe(false);
  answer(["temporal"]);
  await second;
  expect(events).toEqual(["test.failed"]);
  const later = outages.idle();
  answer([]);
  expect(await later).toBe(false);
  expect(events).toEqual(["test.failed", "test.recovered"]);
});

test("work that fails while nothing is away has recovered with its next success, and not at an idle look", async () => {
  const { events, log } = eventLog();
  const outages = createOutageLog("test", log, async () => []);
  for (let i = 0; i < 3; i++) {
    await outages.failed(new Error("bug"));
    expect(await outages.idle()).toBe(false);
  }
  expect(events).toEqual(["test.failed"]);
  outages.succeeded();
  expect(await outages.idle()).toBe(false);
  expect(events).toEqual(["test.failed", "test.recovered"]);
});

test("what counts at an idle look is what was away at the last failure", async () => {
  const { events, log } = eventLog();
  let away: readonly Dependency[] = ["temporal"];
  const outages = createOutageLog("test", log, async () => away);
  await outages.failed(new Error("refused"));
  away = [];
  await outages.failed(new Error("bug"));
  expect(await outages.idle()).toBe(false);
  expect(events).toEqual(["test.failed", "test.failed"]);
});
