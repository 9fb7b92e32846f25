import { type Log, silentLog } from "@posthaste/runtime";
import { expect, test } from "vitest";
import { createOutageLog, type Dependency } from "./outage-log.ts";

test("an idle look does not end an outage that begins while it asks", async () => {
  const events: string[] = [];
  const note = (event: string) => void events.push(event);
  const log: Log = { ...silentLog, info: note, error: note };
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
