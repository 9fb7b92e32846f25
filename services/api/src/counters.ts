import type { Deps } from "./deps.ts";
import type { RequestsUnderWay } from "./http/admission.ts";
import type { OnePort, PortCounters } from "./http/one-port.ts";
import type { RequestLines } from "./http/request-line.ts";

/** What is open in an API process now. When the last client has left, every number is 0. */
export type Counters = PortCounters &
  /** Requests, by whether their route needs a token. */
  RequestsUnderWay & {
    /** Requests of accounts, whose token was valid. */
    readonly admitted: number;
    /** Accounts that have such requests. */
    readonly accounts: number;
    /** Streams of delivery changes. */
    readonly deliveries: number;
    /** Streams of inboxes. */
    readonly inboxes: number;
    /** Watched health statuses. */
    readonly health: number;
    /** Streams of reflection. */
    readonly reflection: number;
    /** Costly reads that run or wait. */
    readonly reads: number;
    /** Bytes of bodies that are received or used. */
    readonly bytes: number;
    /** Bytes of answers that wait for their callers to take them. */
    readonly untaken: number;
    /** Computations that wait for their account's turn of the event loop. */
    readonly computations: number;
    /** Requests whose log line is still to come. */
    readonly lines: number;
  };

type Counted = {
  readonly port: OnePort;
  readonly requests: RequestsUnderWay;
  readonly lines: RequestLines;
  readonly untaken: () => number;
};

export function countersOf(
  parts: Pick<Deps, "requestPlaces" | "streamGates" | "costlyReads" | "bodyRoom" | "loopTurns">,
  { port, requests, lines, untaken }: Counted,
): Counters {
  const { requestPlaces, streamGates, costlyReads, bodyRoom, loopTurns } = parts;
  return {
    ...port.counters(),
    ...requests,
    admitted: requestPlaces.taken(),
    accounts: requestPlaces.accounts(),
    deliveries: streamGates.deliveries.open(),
    inboxes: streamGates.inboxes.open(),
    health: streamGates.health.open(),
    reflection: streamGates.reflection.open(),
    reads: costlyReads.open(),
    bytes: bodyRoom.held(),
    untaken: untaken(),
    computations: loopTurns.waiting(),
    lines: lines.open(),
  };
}
