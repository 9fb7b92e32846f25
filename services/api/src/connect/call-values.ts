import type { DescMethod } from "@bufbuild/protobuf";
import {
  type ContextValues,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import type { By, IngestedEvent } from "@posthaste/store";
import type { Caller } from "../access/caller.ts";
import { byToken, type ChangeLimit } from "../access/change-limit.ts";
import type { Turn } from "../access/loop-turns.ts";
import type { RequestLine } from "../http/request-line.ts";

/** The caller of a call that was admitted. */
export const CALLER = createContextKey<Caller | undefined>(undefined);
/** Why a call was not admitted. */
export const REFUSED = createContextKey<{ readonly error: unknown } | undefined>(undefined);
/** The log line of the call's request. */
export const LINE = createContextKey<RequestLine | undefined>(undefined);

/**
 * Aborts when nobody waits for the call's answer: its request is over, or its deadline has passed. Unlike the
 * context's signal, it says nothing of a shutdown.
 */
export const OVER = createContextKey<AbortSignal | undefined>(undefined);

/** Waits for a turn of the event loop of the call's account. */
export const TURN = createContextKey<Turn | undefined>(undefined);

/**
 * Counts bytes that the call holds until it is over among those of its account.
 *
 * Throws Refusal `too_many` if the account holds its part.
 */
export const HOLD = createContextKey<((bytes: number) => void) | undefined>(undefined);

/** Limits the changes of accounts. */
export const CHANGE_LIMIT = createContextKey<ChangeLimit | undefined>(undefined);

/** Returns a call's context values, which hold the request's log line. */
export function contextValuesFor(line: RequestLine): ContextValues {
  return createContextValues().set(LINE, line);
}

/**
 * Returns the caller of a call. Every call of a method that is not public is authorized before its handler
 * runs.
 */
export function callerOf(context: HandlerContext): Caller {
  return callerIn(context.values);
}

/** For {@link byOf}: the call only stops something. */
export const STOPS = { stops: true };

/**
 * Returns who makes the changes of a call, for the audit log, and who is charged for them.
 *
 * @param options.stops whether the call only stops something; see `change-limit.ts`
 */
export function byOf(context: HandlerContext, { stops = false } = {}): By {
  const changeLimit = context.values.get(CHANGE_LIMIT);
  if (changeLimit === undefined) throw new Error("this call was not authorized");
  return byToken(changeLimit, callerOf(context).token, { action: actionOf(context.method), stops });
}

/** Returns what the audit log calls a method: its full name. */
export function actionOf({ parent, name }: DescMethod): string {
  return `${parent.typeName}/${name}`;
}

/** Returns how a call waits for its account's turn of the event loop, before it computes what takes long. */
export function turnOf(context: HandlerContext): Turn {
  const turn = context.values.get(TURN);
  if (turn === undefined) throw new Error("this call was not authorized");
  return turn;
}

/** Returns the `traceparent` of a call's span; undefined if the call is not traced. */
export function traceparentOf(context: HandlerContext): string | undefined {
  return context.values.get(LINE)?.traceparent;
}

/** Counts the stored events, in the call's log line as well. */
export function noteIngested(context: HandlerContext, results: readonly IngestedEvent[]): void {
  const stored = results.filter(({ duplicate }) => !duplicate);
  context.values.get(LINE)?.noteIngested({
    events: stored.length,
    duplicates: results.length - stored.length,
    deliveries: stored.reduce((sum, { deliveryCount }) => sum + deliveryCount, 0),
  });
}

/** Returns the caller of a call from its values; see {@link callerOf}. */
export function callerIn(values: ContextValues): Caller {
  const caller = values.get(CALLER);
  if (caller === undefined) throw new Error("this call was not authorized");
  return caller;
}
