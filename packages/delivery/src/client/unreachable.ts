import { connect } from "node:net";
import { StartError } from "@posthaste/runtime";
import { type Client, Connection } from "@temporalio/client";

/** With the second that an answer may take, it fits into the 3 s of a probe. */
const CONNECT_WITHIN_MS = 500;
/** Where gRPC looks for a proxy, through which it may reach what this process cannot. */
const PROXIES = ["grpc_proxy", "https_proxy", "http_proxy"];

/** No connection to Temporal can be made. Its message alone says what to do. */
export class TemporalUnreachable extends StartError {
  override readonly name = "TemporalUnreachable";
}

/**
 * Returns why no connection to Temporal can be made, such as `ECONNREFUSED` or `ENOTFOUND`. Asked after a
 * failed call, because the SDK tries again until the call's deadline, and then says only that it passed.
 *
 * @returns undefined if one can be made, if none was refused in time, or if the address is not known: that of
 *   a worker's connection, or one behind a proxy
 */
export async function whyUnreachable({ connection }: Client): Promise<string | undefined> {
  if (!(connection instanceof Connection)) return undefined;
  const { address, channelArgs } = connection.options;
  const hasProxy = channelArgs["grpc.enable_http_proxy"] !== 0 && PROXIES.some((name) => process.env[name]);
  return hasProxy ? undefined : await connectProblem(address);
}

/** Adds to an error of the SDK why no connection can be made, if that is so. */
export async function explained(client: Client, error: unknown): Promise<unknown> {
  const why = await whyUnreachable(client);
  if (why === undefined) return error;
  const { address } = (client.connection as Connection).options;
  return new TemporalUnreachable(
    `no connection to Temporal at ${address} can be made (${why}): check the address, and that the server runs`,
    { cause: error },
  );
}

/** @param address HOST:PORT, with an IPv6 address in brackets */
async function connectProblem(address: string): Promise<string | undefined> {
  const { hostname, port } = new URL(`tcp://${address}`);
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) });
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  socket.once("connect", () => resolve(undefined));
  socket.on("error", ({ code, message }: NodeJS.ErrnoException) => resolve(code ?? message));
  const timer = setTimeout(() => resolve(undefined), CONNECT_WITHIN_MS);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
