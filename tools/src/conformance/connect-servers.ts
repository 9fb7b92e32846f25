import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import {
  create,
  createFileRegistry,
  type FileRegistry,
  fromBinary,
  type Message,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";
import { strictJson } from "../../../services/api/src/connect/strict-json.ts";
import { wrapHandlers } from "../../../services/api/src/connect/wrap-handlers.ts";
import { type Bench, startBench } from "../../../services/api/test/fixture.ts";
import { addConformanceService } from "./connect-service.ts";
import { takeReasonsOff } from "./without-reasons.ts";

const COMPAT = "connectrpc.conformance.v1.ServerCompat";
/** Each message has its length before it. */
const LENGTH_BYTES = 4;

/**
 * Starts the servers that the Connect suite tests: the API with the suite's service beside its own, one for
 * each limit of a message that the suite asks for.
 *
 * @param contractPath the suite's compiled contract
 * @returns where `connect-program.mjs` asks for a server, with the suite's request in the body
 */
export async function startServers(
  contractPath: string,
): Promise<{ url: string; stop: () => Promise<void> }> {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(contractPath)));
  const schemaOf = (name: "Request" | "Response") => {
    const schema = registry.getMessage(`${COMPAT}${name}`);
    if (schema === undefined) throw new Error(`the suite's contract has no ${COMPAT}${name}`);
    return schema;
  };
  const servers = new Map<number, Promise<Bench>>();
  const answerTo = async (question: Buffer): Promise<Buffer> => {
    const request = fromBinary(schemaOf("Request"), question.subarray(LENGTH_BYTES));
    const { messageReceiveLimit: limit } = request as Message & { readonly messageReceiveLimit: number };
    const server = servers.get(limit) ?? startServer(registry, limit);
    servers.set(limit, server);
    const { hostname: host, port } = new URL((await server).url);
    const answer = toBinary(schemaOf("Response"), create(schemaOf("Response"), { host, port: Number(port) }));
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(answer.length);
    return Buffer.concat([length, answer]);
  };
  const desk = createServer((request, response) => {
    buffer(request)
      .then(answerTo)
      .then(
        (answer) => response.end(answer),
        (error: unknown) => response.destroy(error as Error),
      );
  });
  desk.listen(0, "127.0.0.1");
  await once(desk, "listening");
  return {
    url: `http://127.0.0.1:${(desk.address() as AddressInfo).port}`,
    async stop() {
      desk.closeAllConnections();
      desk.close();
      await Promise.all([...servers.values()].map(async (server) => (await server).dispose()));
    },
  };
}

/** @param limit the most bytes of a message; 0 for the API's own */
async function startServer(registry: FileRegistry, limit: number): Promise<Bench> {
  let token = "";
  const bench = await startBench({
    // The suite sends more at once than one account may.
    limits: { ratePerSecond: 1_000_000, publicRequestsMax: 10_000, accountRequestsMax: 10_000 },
    extendRoutes: (own) => (router) => {
      addConformanceService(router, registry, {
        ...(limit === 0 ? {} : { readMaxBytes: limit }),
        jsonOptions: { ...strictJson(true), registry },
      });
      // The API's layers lie around the suite's service as around its own.
      own(router);
      takeReasonsOff(router);
      sendTokens(router, () => token);
    },
  });
  token = await bench.tokenWith(["admin"]);
  return bench;
}

/** Adds a token to every call, since the suite has none. */
function sendTokens(router: ConnectRouter, token: () => string): void {
  wrapHandlers(router, (handler) => async (request) => {
    request.header.set("authorization", `Bearer ${token()}`);
    return await handler(request);
  });
}
