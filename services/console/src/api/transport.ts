import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { storedToken } from "../session/stored-token.ts";

const authorize: Interceptor = (next) => async (request) => {
  const token = storedToken();
  if (token !== null && !request.header.has("authorization")) {
    request.header.set("authorization", `Bearer ${token}`);
  }
  return await next(request);
};

/** Calls the API that served this page. */
export const transport = createConnectTransport({ baseUrl: location.origin, interceptors: [authorize] });

const STALE_AFTER_MS = 5_000;
/** Retries of a query after a transient fault, such as a briefly unavailable database. */
const RETRIES_MAX = 2;

/** @param onSignedOut called when the API refuses the stored token */
export function createQueries(onSignedOut: () => void): QueryClient {
  const onError = (error: unknown) => {
    if (ConnectError.from(error).code === Code.Unauthenticated && storedToken() !== null) onSignedOut();
  };
  return new QueryClient({
    queryCache: new QueryCache({ onError }),
    mutationCache: new MutationCache({ onError }),
    defaultOptions: {
      queries: {
        staleTime: STALE_AFTER_MS,
        retry: (count, error) => count < RETRIES_MAX && ConnectError.from(error).code === Code.Unavailable,
      },
    },
  });
}
