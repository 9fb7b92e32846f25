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
import { Refusal } from "@posthaste/domain";
import { type IngestedEvent, isStoreAway, type Principal } from "@posthaste/store";
import { type Access, requireScope } from "../access/auth.ts";
import type { Deps } from "../deps.ts";
import { REFUSALS, retryAfterSeconds } from "../http/refusal-table.ts";
import type { RequestLine } from "../http/request-line.ts";
import { accessTo } from "./access.ts";
import { violationsDetail } from "./violations-detail.ts";

const PRINCIPAL = createContextKey<Principal | undefined>(undefined);
const REFUSED = createContextKey<{ readonly error: unknown } | undefined>(undefined);
const LINE = createContextKey<RequestLine | undefined>(undefined);

type Handler = ConnectRouter["handlers"][number];

/** A flag and a length before each message of the streaming protocols. */
const ENVELOPE_HEAD_BYTES = 5;

/** What a call starts with: the line that is logged when it is over. */
export function contextValuesFor(line: RequestLine): ContextValues {
  return createContextValues().set(LINE, line);
}

/** Who makes this call. Every method that is not public has been checked before its handler runs. */
export function callerOf(context: HandlerContext): Principal {
  return callerIn(context.values);
}

/** What spans of this call go on from; undefined where it is not traced. */
export function traceparentOf(context: HandlerContext): string | undefined {
  return context.values.get(LINE)?.traceparent;
}

/** Notes for the call's line what it stored, beside what it stored before. */
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
  if (principal === undefined) throw new Error("nobody asked who makes this call");
  return principal;
}

/**
 * Sees to a call's token before anything of its body is read: a caller without one does not get to send megabytes.
 *
 * What is refused goes on to its handler without its body, so that the answer is made where every other is, in the
 * protocol that was spoken.
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

/** The same call with the empty message, as each protocol writes it. */
function withoutBody(request: Parameters<Handler>[0]): Parameters<Handler>[0] {
  if (request.method === "GET") return request;
  const header = new Headers(request.header);
  // They told of the body that is left out.
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

/** Ends a call that was refused before its body was read. */
export function refuse(): Interceptor {
  return (next) => async (request) => {
    const refused = request.contextValues.get(REFUSED);
    if (refused !== undefined) throw refused.error;
    if (accessTo(request.method) !== "public") callerIn(request.contextValues);
    return await next(request);
  };
}

/** Turns what was thrown into what a caller may see, and notes the answer's code for the log. */
export function answer(parts: Pick<Deps, "store" | "reportFault">): Interceptor {
  return (next) => async (request) => {
    const line = request.contextValues.get(LINE);
    const note = (code: string) => {
      if (line !== undefined) line.code = code;
    };
    const refusing = (error: unknown) => {
      const answered = errorFor(parts, error, request.method, line?.id);
      note(Code[answered.code]);
      return answered;
    };
    try {
      const response = await next(request);
      note("ok");
      // What a stream throws comes only when it is read.
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

/** What a caller may see of an error. A fault is logged. */
export function errorFor(
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
    if (error.code === "unauthenticated") refused.metadata.set("www-authenticate", "Bearer");
    return refused;
  }
  reportFault(error, requestId);
  return isStoreAway(store, error)
    ? new ConnectError("the database is away; try again in a moment", Code.Unavailable)
    : new ConnectError("internal error", Code.Internal);
}
