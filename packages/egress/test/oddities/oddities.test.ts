import {
  EGRESS_PORTS_DEFAULT,
  PLATFORM_NETWORKS,
  parseTargetUrl,
  Refusal,
  requireCallable,
} from "@posthaste/domain";
import { type Certificate, certificateFor } from "@posthaste/testkit";
import { beforeAll, describe, expect, test } from "vitest";
import { createBench, deliver, type Pace } from "./bench.ts";
import { CHAPTERS } from "./chapters.ts";
import { HOST, type Oddity } from "./oddity.ts";

let certificate: Certificate;
beforeAll(async () => {
  certificate = await certificateFor(HOST, "127.0.0.1", "*.wild.example");
});

/** Finds out what comes of a row. */
async function findOut(oddity: Oddity, pace: Pace): Promise<unknown> {
  const { expected, receiver, subscribed, find } = oddity;
  if (subscribed !== undefined) return { outcome: outcomeOfSubscribing(subscribed) };
  const bench = createBench(certificate, pace);
  try {
    if (find !== undefined) return await find(bench);
    const { again, ...seen } = await deliver(bench, receiver, expected.outcome === "timeout");
    expect(again).toBe(expected.outcome);
    return seen;
  } finally {
    await bench.stop();
  }
}

function outcomeOfSubscribing(url: string): "subscribed" | "not subscribed" {
  try {
    requireCallable({ allow: [], deny: PLATFORM_NETWORKS, ports: EGRESS_PORTS_DEFAULT }, parseTargetUrl(url));
    return "subscribed";
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return "not subscribed";
  }
}

const isCut = ({ receiver }: Oddity) => typeof receiver?.answer === "string" && receiver.isWhole !== true;

describe.each(CHAPTERS)("$title", ({ oddities }) => {
  test.each(oddities.map((oddity) => [oddity.what, oddity] as const))("%s", async (_what, oddity) => {
    expect(await findOut(oddity, "at once")).toMatchObject(oddity.expected);
    if (isCut(oddity)) expect(await findOut(oddity, "byte by byte")).toMatchObject(oddity.expected);
  });
});

const ALL = CHAPTERS.flatMap(({ oddities }) => oddities);

test("there are more than a hundred rows", () => {
  expect(ALL.length).toBeGreaterThan(100);
});

test("no oddity has two rows", () => {
  expect(new Set(ALL.map(({ what }) => what)).size).toBe(ALL.length);
});

test("each clause is a section of an RFC", () => {
  for (const { clause } of ALL) expect(clause).toMatch(/^RFC \d+ (\d+(\.\d+)*|[A-Z](\.\d+)*)( \(\d+\))?$/);
});
