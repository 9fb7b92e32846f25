import type { DescMethod } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ContextValues,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { Refusal } from "@posthaste/domain";
import { type IngestedEvent, isStoreAway, type Principal } from "@posthaste/store";
import { type Access, requireScope } from "../access/auth.ts";
import type { Deps } from "../deps.ts";
import { CHALLENGE, REFUSALS, retryAfterSeconds } from "../http/refusal-table.ts";
import type { RequestLine } from "../http/request-line.ts";
import { accessTo } from "./access.ts";
import { violationsDetail } from "./violations-detail.ts";

const PRINCIPAL = createContextKey<Principal | undefined>(undefined);
const REFUSED = createContextKey<{ readonly error: unknown } | undefined>(undefined);
const LINE = createContextKey<RequestLine | undefined>(undefined);

type Handler = ConnectRouter["handlers"][number];

/** The flag and the length before each message in the streaming protocols. */
const ENVELOPE_HEAD_BYTES = 5;

/** Returns a call's context values, which hold the request's log line. */
export function contextValuesFor(line: RequestLine): ContextValues {
  return createContextValues().set(LINE, line);
}

/**
 * Returns the caller of a call. Every call of a method that is not public is authorized before its handler
 * runs.
 */
export function callerOf(context: HandlerContext): Principal {
  return callerIn(context.values);
}

/** Returns the `traceparent` of a call's span; undefined if the call is not traced. */
export function traceparentOf(context: HandlerContext): string | undefined {
  return context.values.get(LINE)?.traceparent;
}

/** Adds the stored events to the counts in the call's log line. */
export function noteIngested(context: HandlerContext, results: readonly IngestedEvent[]): void {
  const line = context.values.get(LINE);
  if (line === undefined) return;
  const ingested = line.ingested ?? { events: 0, duplicates: 0, deliveries: 0 };
  for (const { duplicate, deliveryCount } of results) {
    if (duplicate) ingested.duplicates += 1;
    else {
      ingested.events += 1;
      ingested.deliveries += deliveryCount;
    }
  }
  line.ingested = ingested;
}

function callerIn(values: ContextValues): Principal {
  const principal = values.get(PRINCIPAL);
  if (principal === undefined) throw new Error("this call was not authorized");
  return principal;
}

/**
 * Authorizes every call before its body is read, so that a caller without a token cannot send megabytes.
 *
 * A refused call still reaches its handler, with an empty body, so that the refusal is answered in the call's
 * protocol like any other error; see {@link refuse}.
 */
export function authorizeFirst(router: ConnectRouter, parts: Pick<Deps, "authenticate" | "rateLimit">): void {
  router.handlers.forEach((handler, i) => {
    const access = accessTo(handler.method);
    if (access === "public") return;
    const authorizing: Handler = Object.assign(async (request: Parameters<Handler>[0]) => {
      const contextValues = request.contextValues ?? createContextValues();
      try {
        contextValues.set(PRINCIPAL, await admit(parts, access, request.header, contextValues.get(LINE)));
      } catch (error) {
        contextValues.set(REFUSED, { error });
        return await handler({ ...withoutBody(request), contextValues });
      }
      return await handler({ ...request, contextValues });
    }, handler);
    router.handlers[i] = authorizing;
  });
}

async function admit(
  { authenticate, rateLimit }: Pick<Deps, "authenticate" | "rateLimit">,
  access: Exclude<Access, "public">,
  header: Headers,
  line: RequestLine | undefined,
): Promise<Principal> {
  const principal = await authenticate(header.get("authorization"));
  if (line !== undefined) line.accountId = principal.accountId;
  await rateLimit(principal);
  if (access !== "any") requireScope(principal, access);
  return principal;
}

/** Returns the call with an empty message, as its protocol encodes it. */
function withoutBody(request: Parameters<Handler>[0]): Parameters<Handler>[0] {
  if (request.method === "GET") return request;
  const header = new Headers(request.header);
  // These headers described the removed body.
  header.delete("content-encoding");
  header.delete("content-length");
  const type = header.get("content-type") ?? "";
  const empty = Buffer.from(type.includes("json") ? "{}" : "");
  if (/^application\/(json|proto)\b/.test(type)) return { ...request, header, body: once(empty) };
  const envelope = Buffer.alloc(ENVELOPE_HEAD_BYTES + empty.length);
  envelope.writeUInt32BE(empty.length, 1);
  empty.copy(envelope, ENVELOPE_HEAD_BYTES);
  return { ...request, header, body: once(envelope) };
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** Throws the error of a call that {@link authorizeFirst} refused. */
export function refuse(): Interceptor {
  return (next) => async (request) => {
    const refused = request.contextValues.get(REFUSED);
    if (refused !== undefined) throw refused.error;
    if (accessTo(request.method) !== "public") callerIn(request.contextValues);
    return await next(request);
  };
}

/** Turns a thrown error into what the caller may see, and records the answer's code in the log line. */
export function answer(parts: Pick<Deps, "store" | "reportFault">): Interceptor {
  return (next) => async (request) => {
    const line = request.contextValues.get(LINE);
    const note = (code: string) => {
      if (line !== undefined) line.code = code;
    };
    const refusing = (error: unknown) => {
      const answered = errorFor(parts, error, request.method, line?.id);
      note(codeToString(answered.code));
      return answered;
    };
    try {
      const response = await next(request);
      note("ok");
      // A stream throws only while it is read.
      return response.stream ? { ...response, message: translated(response.message, refusing) } : response;
    } catch (error) {
      throw refusing(error);
    }
  };
}

async function* translated<T>(stream: AsyncIterable<T>, refusing: (error: unknown) => ConnectError) {
  try {
    yield* stream;
  } catch (error) {
    throw refusing(error);
  }
}

/** Returns what a caller may see of an error. Reports a fault. */
function errorFor(
  { store, reportFault }: Pick<Deps, "store" | "reportFault">,
  error: unknown,
  method: DescMethod,
  requestId?: string,
): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof Refusal) {
    const details = violationsDetail(method, error.details);
    const refused = new ConnectError(error.message, REFUSALS[error.code].connect, undefined, details);
    if (error.retryAfterMs !== undefined)
      refused.metadata.set("retry-after", retryAfterSeconds(error.retryAfterMs));
    if (error.code === "unauthenticated") refused.metadata.set("www-authenticate", CHALLENGE);
    return refused;
  }
  reportFault(error, requestId);
  return isStoreAway(store, error)
    ? new ConnectError("the database is unavailable; try again in a moment", Code.Unavailable)
    : new ConnectError("internal error", Code.Internal);
}
