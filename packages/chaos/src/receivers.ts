import { setTimeout as sleep } from "node:timers/promises";
import { type Behaviour, type ReceivedRequest, type Receiver, startReceiver } from "@posthaste/testkit";
import { randomFor } from "./random.ts";

/** What kind of receiver a subscription has, and so what its deliveries earn. */
const CHARACTERS = ["steady", "flaky", "slow", "failing", "leaving"] as const;
export type Character = (typeof CHARACTERS)[number];

/** One request as its receiver saw and answered it. */
export type Seen = {
  readonly character: Character;
  readonly eventId: string;
  readonly deliveryId: string;
  readonly attempt: number;
  readonly request: ReceivedRequest;
  /** The status of a whole and honest answer; null for every other. */
  readonly answered: number | null;
};

export type ChaosReceiver = { readonly character: Character; readonly receiver: Receiver };

/** A receiver of each character; what they see is added to `seen`. */
export async function startReceivers(seed: number, leavesAt: number, seen: Seen[]): Promise<ChaosReceiver[]> {
  return await Promise.all(
    CHARACTERS.map(async (character) => {
      const receiver = await startReceiver();
      receiver.answer(async (request) => {
        const n = numberIn(request);
        const attempt = Number(request.headers["webhook-attempt"]);
        const behaviour = behaviourOf(seed, { character, n, attempt, leavesAt });
        if (character === "slow") await sleep(randomFor(seed, "slow", n, attempt).between(100, 1_500));
        seen.push({
          character,
          eventId: request.headers["webhook-id"] ?? "",
          deliveryId: request.headers["webhook-delivery"] ?? "",
          attempt,
          request,
          answered: statusOf(behaviour),
        });
        return behaviour;
      });
      return { character, receiver };
    }),
  );
}

/** The event's number, as traffic put it into the snapshot. */
function numberIn({ body }: ReceivedRequest): number {
  const [snapshot] = JSON.parse(body.toString()) as [{ n: number }];
  return snapshot.n;
}

const OK: Behaviour = { kind: "status", status: 200 };

/** Decided by the seed, the event and the attempt alone, so that a run can be repeated. */
function behaviourOf(
  seed: number,
  of: { character: Character; n: number; attempt: number; leavesAt: number },
): Behaviour {
  switch (of.character) {
    case "steady":
    case "slow":
      return OK;
    case "failing":
      return { kind: "status", status: 500 };
    case "leaving":
      return of.n < of.leavesAt ? OK : { kind: "status", status: 410 };
    case "flaky":
      return of.attempt > 1 ? OK : randomFor(seed, "flaky", of.n).pick(MISCHIEF);
  }
}

const MISCHIEF: readonly [Behaviour, ...Behaviour[]] = [
  OK,
  OK,
  { kind: "status", status: 503 },
  { kind: "status", status: 302, headers: { location: "http://127.0.0.1:1/" } },
  { kind: "hang" },
  { kind: "close" },
  { kind: "reset" },
  { kind: "drip", status: 200, everyMs: 50 },
  { kind: "slow_headers" },
  { kind: "garbage" },
  // A lie: more was promised than comes.
  { kind: "status", status: 200, headers: { "content-length": "1000" }, body: "less" },
];

function statusOf(behaviour: Behaviour): number | null {
  if (behaviour.kind !== "status") return null;
  return behaviour.headers?.["content-length"] === undefined ? behaviour.status : null;
}
