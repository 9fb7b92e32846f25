import {
  Code,
  createClient,
  type Interceptor,
  type StreamResponse,
  type Transport,
} from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { type OpenSessionResponse, type Session, SessionService } from "@posthaste/contracts/session";
import { onlineManager, QueryClient } from "@tanstack/react-query";
import { currentStage, happen, renewedToken } from "../session/session-store.ts";
import { tokenOf } from "../session/stage.ts";
import { codeOf, isRefusedToken, isUnreached } from "./errors.ts";
import { createReachability } from "./reachability.ts";

/**
 * Calls with the session's token. If the API refuses it, the call was not made: it waits until the reader has
 * signed in again, and is then made with the new token.
 */
const authorize: Interceptor = (next) => async (request) => {
  // A page that tries a token brings it along.
  if (request.header.has("authorization")) return await next(request);
  const stage = currentStage();
  const isEnded = stage.kind === "signed in" && stage.isEnded;
  let token = isEnded ? await renewedToken(stage.held.token, request.signal) : tokenOf(stage);
  for (;;) {
    if (token !== undefined) request.header.set("authorization", `Bearer ${token}`);
    const actingIn = stage.kind === "signed in" ? stage.held.actingIn : undefined;
    if (actingIn !== undefined && !request.header.has(ACCOUNT_HEADER))
      request.header.set(ACCOUNT_HEADER, String(actingIn));
    try {
      const response = await next(request);
      return response.stream ? watchRefusal(response, token) : response;
    } catch (error) {
      if (token === undefined || !isRefusedToken(error)) throw error;
      happen({ kind: "refused", token });
      token = await renewedToken(token, request.signal);
      if (token === undefined) throw error;
    }
  }
};

/** A stream may be refused after it has begun. Its reader begins another one. */
function watchRefusal(response: StreamResponse, token: string | undefined): StreamResponse {
  return {
    ...response,
    message: observed(response.message, (error) => {
      if (token !== undefined && isRefusedToken(error)) happen({ kind: "refused", token });
    }),
  };
}

const noteReach: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    reachability.noteAnswer();
    return response;
  } catch (error) {
    reachability.noteFailure(error);
    throw error;
  }
};

async function* observed<T>(messages: AsyncIterable<T>, onError: (error: unknown) => void) {
  try {
    yield* messages;
  } catch (error) {
    onError(error);
    throw error;
  }
}

/** Names the account that an operator acts in. */
const ACCOUNT_HEADER = "posthaste-account";

/** Calls the API that served this page. */
export const transport = createConnectTransport({
  baseUrl: location.origin,
  interceptors: [authorize, noteReach],
});

/** Calls the API in an account, for an operator who looks at several. */
export function transportIn(accountId: number): Transport {
  const inAccount: Interceptor = (next) => async (request) => {
    request.header.set(ACCOUNT_HEADER, String(accountId));
    return await next(request);
  };
  return createConnectTransport({
    baseUrl: location.origin,
    interceptors: [inAccount, authorize, noteReach],
  });
}

const sessions = createClient(SessionService, transport);
/** Calls without a token, whatever session this tab has. */
const anonymous = createConnectTransport({ baseUrl: location.origin, interceptors: [noteReach] });

/**
 * Exchanges a portal link's code for a session.
 *
 * @throws ConnectError that refuses the code if it was used before or has expired
 */
export async function exchangeCode(portalCode: string): Promise<OpenSessionResponse> {
  return await createClient(SessionService, anonymous).openSession({ portalCode });
}

/**
 * Fetches the session of a token.
 *
 * @param options.actingIn the account that an operator acts in. Default: the token's own
 */
export async function fetchSession(
  token: string,
  { signal, actingIn }: { signal?: AbortSignal; actingIn?: number | undefined } = {},
): Promise<Session> {
  const headers = new Headers({ authorization: `Bearer ${token}` });
  if (actingIn !== undefined) headers.set(ACCOUNT_HEADER, String(actingIn));
  const { session } = await sessions.getSession({}, { headers, ...(signal === undefined ? {} : { signal }) });
  if (session === undefined) throw new Error("the API returned no session");
  return session;
}

/** Finds out whether Posthaste can be reached: the transport notes any answer, also a refusal. */
export async function probe(): Promise<void> {
  await fetchSession(tokenOf(currentStage()) ?? "none").catch(() => {});
}

export const reachability = createReachability(probe, waitFor);
window.addEventListener("online", () => reachability.tryNow());

// Queries that cannot reach Posthaste wait, and go on by themselves.
onlineManager.setEventListener((setOnline) => {
  setOnline(!reachability.isAway());
  return reachability.subscribe(() => setOnline(!reachability.isAway()));
});

/** Resolves after a time, or at once when the signal aborts. */
export async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

const STALE_AFTER_MS = 5_000;
/** Retries of a query after a transient fault, such as a briefly unavailable database. */
const RETRIES_MAX = 2;

export function createQueries(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: STALE_AFTER_MS,
        retry: (count, error) =>
          isUnreached(error) || (count < RETRIES_MAX && codeOf(error) === Code.Unavailable),
        // The query waits for reachability, not for a time of its own.
        retryDelay: (count, error) => (isUnreached(error) ? 0 : 1_000 * 2 ** count),
      },
      // What a reader asked for is not done later, when it may no longer be wanted.
      mutations: { networkMode: "always" },
    },
  });
}
