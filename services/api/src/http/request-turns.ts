import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";
import { type AccountId, createFairQueue, type FairQueue } from "@posthaste/domain";
import type { ConnectionPlaces } from "./connection-places.ts";
import {
  ENDED_WAITING_MAX,
  KNOWN_PER_TURN,
  OTHERS_PER_TURN,
  OTHERS_WAITING_MAX,
  PROBES_PER_TURN,
  SHORT_TURN_SHARE,
  WAITING_PER_ACCOUNT_MAX,
} from "./limits.ts";
import { isProbe } from "./probes.ts";
import { isOver } from "./when-over.ts";

export type Handler = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

/** The dependencies of {@link createRequestTurns}. */
export type RequestTurnsParts = {
  readonly handler: Handler;
  readonly probableAccount: ProbableAccount;
  readonly places: Pick<ConnectionPlaces, "touch" | "hold">;
  /** Called for each request that is not handed over. */
  readonly dropped: () => void;
};

/** What tells whose a request is. */
type Head = { readonly ":path"?: string | undefined; readonly authorization?: string | undefined };

/** Returns the account whose request it probably is, by its `Authorization` header. */
export type ProbableAccount = (authorization: string | undefined) => AccountId | undefined;

export type RequestTurns = {
  /** Hands a request over in one of the next turns of the event loop. */
  take(connection: Socket, ...exchange: Parameters<Handler>): void;
  /**
   * Tells why a request over HTTP/2 has to be refused, if it has: too many of its account wait for their
   * turn, or of all unknown callers.
   */
  fullFor(connection: Socket, head: Head): "account" | "unknown" | undefined;
  /** A connection was accepted. More may wait, and Node accepts one in each turn: the next one is short. */
  accepted(): void;
  /** Hands all that wait over at once. */
  handOverAll(): void;
  /** Returns how many wait. */
  waiting(): number;
};

/**
 * Hands requests over, a few in each turn of the event loop, whatever their protocol.
 *
 * Many may arrive in one turn: over many connections, or over one as HTTP/2 streams. Nobody else's would move
 * until all of them are handled, and a call needs several turns. So those of known callers have places of
 * their own in each turn, for which accounts take turns, and so do the tokens of each. Probes have some, too:
 * supervisors must not mistake a busy process for a dead one. For the others, connections take turns. The
 * requests of one owner keep their order. While there are places, none waits. While connections arrive, turns
 * are short.
 *
 * Those that wait are bounded by the open connections and their streams; over HTTP/2 for each account and for
 * all unknown callers, too; see {@link RequestTurns.fullFor}. One whose client leaves meanwhile is handed
 * over as one that is over, to be logged; of these, {@link ENDED_WAITING_MAX} wait, and more are dropped: to
 * log them would delay all others.
 */
export function createRequestTurns({
  handler,
  probableAccount,
  places,
  dropped,
}: RequestTurnsParts): RequestTurns {
  const probes = createLane(PROBES_PER_TURN);
  const known = createLane(KNOWN_PER_TURN);
  const others = createLane(OTHERS_PER_TURN);
  const ended = new Set<Turn>();
  let isScheduled = false;
  let hasAccepted = false;
  const lanes = [known, probes, others];
  const placeOf = (connection: Socket, path: string | undefined, authorization: string | undefined) => {
    const account = probableAccount(authorization);
    const isKnown = account !== undefined;
    const lane = isProbe(path) ? probes : isKnown ? known : others;
    const owner: Owner = isKnown
      ? { who: account, token: authorization ?? "" }
      : { who: connection, token: "" };
    return { lane, owner, isKnown };
  };
  const handOver = (connection: Socket, ...[request, response]: Parameters<Handler>) => {
    if (!isOver(response)) places.hold(connection, exchangeOf(response));
    handler(request, response);
  };
  const schedule = () => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      const share = hasAccepted ? SHORT_TURN_SHARE : 1;
      hasAccepted = false;
      const areUsed = lanes.map((lane) => lane.beginTurn(share));
      // A turn has its full places again, unless another connection arrives.
      if (areUsed.includes(true) || share < 1) schedule();
    });
  };
  return {
    fullFor(connection, { ":path": path, authorization }) {
      if (lanes.every(({ size }) => size() < FULL_FROM)) return undefined;
      const { lane, owner, isKnown } = placeOf(connection, path, authorization);
      // Over HTTP/1.1 none is refused, so those may have taken all places.
      const max = isKnown ? WAITING_PER_ACCOUNT_MAX : Math.max(1, OTHERS_WAITING_MAX - lane.size());
      if (lane.sizeOf(owner) < max) return undefined;
      return isKnown ? "account" : "unknown";
    },
    take(connection, request, response) {
      const { lane, owner } = placeOf(connection, request.url, request.headers.authorization);
      schedule();
      places.touch(connection);
      if (lane.takePlace()) {
        handOver(connection, request, response);
        return;
      }
      const exchange = exchangeOf(response);
      const turn = () => {
        ended.delete(turn);
        exchange.off("close", end);
        handOver(connection, request, response);
      };
      const end = () => {
        ended.add(turn);
        if (ended.size <= ENDED_WAITING_MAX) return;
        ended.delete(turn);
        lane.remove(owner, turn);
        dropped();
      };
      lane.add(owner, turn);
      if (isOver(response)) end();
      else exchange.once("close", end);
    },
    accepted() {
      hasAccepted = true;
      schedule();
    },
    handOverAll() {
      for (const lane of lanes) lane.handOverAll();
    },
    waiting: () => lanes.reduce((sum, { size }) => sum + size(), 0),
  };
}

function exchangeOf(response: ServerResponse | Http2ServerResponse) {
  return "stream" in response ? response.stream : response;
}

/** Requests of a lane from which on one owner's may be too many. */
const FULL_FROM = Math.min(WAITING_PER_ACCOUNT_MAX, OTHERS_WAITING_MAX / 2);

type Turn = () => void;
/** Whose turn it is: of an account and one of its tokens, or of the connection of an unknown caller. */
type Owner = { readonly who: object | AccountId; readonly token: string };

/** Requests that share places in each turn of the event loop, and those that wait for one. */
function createLane(placesPerTurn: number) {
  const waiting = createTokenTurns();
  let places = placesPerTurn;
  const handOver = (max: number) => {
    for (places = max; places > 0 && waiting.size() > 0; ) {
      places -= 1;
      waiting.next()?.();
    }
  };
  return {
    add: waiting.add,
    remove: waiting.remove,
    size: waiting.size,
    sizeOf: ({ who }: Owner) => waiting.sizeOf(who),
    /** Returns false if the request has to wait. */
    takePlace(): boolean {
      if (places === 0 || waiting.size() > 0) return false;
      places -= 1;
      return true;
    },
    /**
     * Hands over those whose turn it is. Returns whether there were any.
     *
     * @param share of the places that this turn has
     */
    beginTurn(share: number): boolean {
      const max = Math.ceil(placesPerTurn * share);
      handOver(max);
      return places < max;
    },
    handOverAll: () => handOver(Number.POSITIVE_INFINITY),
  };
}

/** A queue in which callers take turns, and the tokens of each: one does not stand in front of the others. */
function createTokenTurns() {
  /** Each caller as often as it waits. */
  const callers = createFairQueue<Owner["who"], Owner["who"]>();
  const turnsOf = new Map<Owner["who"], FairQueue<Turn, Owner["token"]>>();
  const forget = (who: Owner["who"]) => {
    if (turnsOf.get(who)?.size() === 0) turnsOf.delete(who);
  };
  return {
    add({ who, token }: Owner, turn: Turn): void {
      const turns = turnsOf.get(who) ?? createFairQueue<Turn, Owner["token"]>();
      turnsOf.set(who, turns);
      turns.add(token, turn);
      callers.add(who, who);
    },
    remove({ who, token }: Owner, turn: Turn): void {
      turnsOf.get(who)?.remove(token, turn);
      callers.remove(who, who);
      forget(who);
    },
    next(): Turn | undefined {
      const who = callers.next();
      if (who === undefined) return undefined;
      const turn = turnsOf.get(who)?.next();
      forget(who);
      return turn;
    },
    size: callers.size,
    sizeOf: callers.sizeOf,
  };
}
