import { Agent } from "node:http";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { Health } from "@posthaste/contracts/health";

/**
 * Typed protobuf clients. They omit retries and idempotency keys, which would cost the load generator more.
 */
export type RpcCaller = {
  readonly events: Client<typeof EventIngestService>;
  readonly health: Client<typeof Health>;
  close(): void;
};

/**
 * Creates the clients.
 *
 * @param options.protocol Connect over HTTP/1.1, or gRPC over one HTTP/2 connection without TLS
 */
export function createRpcCaller(options: {
  readonly baseUrl: string;
  readonly token: string;
  readonly protocol: "connect" | "grpc";
  readonly connections: number;
}): RpcCaller {
  const { baseUrl, token, protocol, connections } = options;
  const bearer: Interceptor = (next) => async (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return await next(request);
  };
  const interceptors = [bearer];
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const sessionManager = new Http2SessionManager(baseUrl);
  const transport =
    protocol === "grpc"
      ? createGrpcTransport({ baseUrl, interceptors, sessionManager })
      : createConnectTransport({ baseUrl, interceptors, httpVersion: "1.1", nodeOptions: { agent } });
  return {
    events: createClient(EventIngestService, transport),
    health: createClient(Health, transport),
    close() {
      sessionManager.abort();
      agent.destroy();
    },
  };
}
