import { setTimeout as sleep } from "node:timers/promises";
import {
  type Behaviour,
  type Certificate,
  type ReceivedRequest,
  type Receiver,
  randomFor,
  startReceiver,
} from "@posthaste/testkit";
import { firstOf } from "./traffic/numbers.ts";

/**
 * The kinds of receiver. The kind decides how far a delivery can get:
 *
 * - `steady` is the well-behaved account's, and answers 200.
 * - `flaky`, `slow`, `failing`, `hanging` and `leaving` are the hostile account's and give trouble
 *   themselves.
 * - `pausing`, `moving`, `guest` and `wide` are its, too, and answer 200: what happens to their subscriptions
 *   is the trouble.
 * - `erased` belongs to the accounts that are erased.
 */
export const CHARACTERS = [
  ...(["steady", "flaky", "slow", "failing", "hanging", "leaving"] as const),
  ...(["pausing", "moving", "guest", "wide", "erased"] as const),
] as const;
export type Character = (typeof CHARACTERS)[number];

export const OF_ACCOUNT = {
  steady: "good",
  flaky: "hostile",
  slow: "hostile",
  failing: "hostile",
  hanging: "hostile",
  leaving: "hostile",
  pausing: "hostile",
  moving: "hostile",
  guest: "hostile",
} as const satisfies Partial<Record<Character, "good" | "hostile">>;

/** The receivers that never accept anything: their deliveries wait for a retry that is far away. */
export const NEVER_ACCEPTS: ReadonlySet<Character> = new Set<Character>(["failing", "hanging"]);

/** One request as its receiver saw and answered it. */
export type Seen = {
  readonly character: Character;
  readonly eventId: string;
  readonly deliveryId: string;
  readonly attempt: number;
  readonly request: ReceivedRequest;
  /** The status, if the answer was complete and valid; else null. */
  readonly answered: number | null;
};

/** The receivers that are called over TLS. */
const OVER_TLS: ReadonlySet<Character> = new Set<Character>(["steady", "flaky", "slow", "leaving"]);

export type Receivers = Readonly<Record<Character, Receiver>>;

/**
 * Starts a receiver of each character.
 *
 * @param options.leavesAt the number of the first event that the leaving receiver answers with 410, of those
 *   that are sent all the time
 * @param options.tls the certificate of those that are called over TLS
 * @param options.seen gets every request
 */
export async function startReceivers(
  seed: number,
  { leavesAt, tls, seen }: { leavesAt: number; tls: Certificate; seen: Seen[] },
): Promise<Receivers> {
  const started = await Promise.all(
    CHARACTERS.map(async (character) => {
      const receiver = await startReceiver(OVER_TLS.has(character) ? { tls } : {});
      receiver.answer(async (request) => {
        const n = numberIn(request);
        const attempt = Number(request.headers["webhook-attempt"]);
        const behaviour = behaviourOf(seed, { character, n, attempt, leavesAt });
        if (character === "slow" && attempt === 1) {
          await sleep(randomFor(seed, "slow", n, attempt).between(...SLOW_MS));
        }
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
      return [character, receiver] as const;
    }),
  );
  return Object.fromEntries(started) as Receivers;
}

/** Some are longer than the subscriptions' timeout of 2 s. */
const SLOW_MS = [500, 2_500] as const;

/** Returns the event's number, which `snapshotOf` put into the snapshot. */
function numberIn({ body }: ReceivedRequest): number {
  const [snapshot] = JSON.parse(body.toString()) as [{ n: number }];
  return snapshot.n;
}

const OK: Behaviour = { kind: "status", status: 200 };
/** Over TLS, what comes after the first two thousand bytes takes turns, and so does the end behind it. */
const LONG: Behaviour = { ...OK, body: "x".repeat(6_000) };

/** Depends only on the seed, the event and the attempt, so that a run can be repeated. */
function behaviourOf(
  seed: number,
  request: { character: Character; n: number; attempt: number; leavesAt: number },
): Behaviour {
  const { character, n, attempt, leavesAt } = request;
  switch (character) {
    case "steady":
      return randomFor(seed, "steady", n, attempt).pick([OK, LONG]);
    case "slow":
    case "pausing":
    case "moving":
    case "guest":
    case "wide":
    case "erased":
      return OK;
    case "failing":
      return { kind: "status", status: 500 };
    case "hanging":
      return { kind: "hang" };
    case "leaving":
      return n < firstOf("hostile") + leavesAt ? OK : { kind: "status", status: 410 };
    case "flaky":
      return attempt > 1 ? OK : randomFor(seed, "flaky", n).pick(MISCHIEF);
  }
}

const MISCHIEF: readonly [Behaviour, ...Behaviour[]] = [
  OK,
  LONG,
  { kind: "status", status: 503 },
  { kind: "status", status: 302, headers: { location: "http://127.0.0.1:1/" } },
  { kind: "hang" },
  { kind: "close" },
  { kind: "reset" },
  { kind: "drip", status: 200, everyMs: 50 },
  { kind: "slow_headers" },
  { kind: "garbage" },
  // The body is shorter than announced.
  { kind: "status", status: 200, headers: { "content-length": "1000" }, body: "less" },
];

function statusOf(behaviour: Behaviour): number | null {
  if (behaviour.kind !== "status") return null;
  return behaviour.headers?.["content-length"] === undefined ? behaviour.status : null;
}
