import { text } from "node:stream/consumers";
import { Code, ConnectError, createConnectRouter, createContextValues } from "@connectrpc/connect";
import { Health } from "@posthaste/contracts/health";
import { expect, test } from "vitest";
import { answerWhenLate } from "./answer-when-late.ts";
import { OVER, REFUSED } from "./call-values.ts";
import { COMPRESS_MIN_BYTES } from "./compressions.ts";

const PATH = "/grpc.health.v1.Health/List";

/** Calls a method whose deadline passes while its answer waits to be compressed. */
async function lateAnswer(headers: Record<string, string>) {
  let calls = 0;
  const deadline = new AbortController();
  const compress = async () => {
    deadline.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
    throw deadline.signal.reason;
  };
  const router = createConnectRouter({
    acceptCompression: [
      { name: "gzip", compress, decompress: async (bytes) => bytes as Uint8Array<ArrayBuffer> },
    ],
    compressMinBytes: COMPRESS_MIN_BYTES,
    requestGate({ values }) {
      const refused = values.get(REFUSED);
      if (refused !== undefined) throw refused.error;
    },
  }).service(Health, {
    list() {
      calls += 1;
      return { statuses: { ["x".repeat(COMPRESS_MIN_BYTES)]: {} } };
    },
  });
  answerWhenLate(router);
  const handler = router.handlers.find(({ requestPath }) => requestPath === PATH);
  const answer = await handler?.({
    ...{ httpVersion: "1.1", method: "POST", url: `http://x${PATH}`, signal: deadline.signal },
    header: new Headers(headers),
    body: (async function* () {
      yield Buffer.from(headers["content-type"]?.includes("grpc") ? "\0\0\0\0\0" : "");
    })(),
    contextValues: createContextValues().set(OVER, deadline.signal),
  });
  const body = await text(answer?.body as AsyncIterable<Uint8Array>);
  return { status: answer?.status, said: [body, ...(answer?.trailer?.values() ?? [])].join(" "), calls };
}

test.each<[string, number, RegExp, Record<string, string>]>([
  ["Connect", 504, /deadline_exceeded/, { "content-type": "application/proto", "accept-encoding": "gzip" }],
  ["gRPC", 200, / 4$/, { "content-type": "application/grpc+proto", "grpc-accept-encoding": "gzip" }],
  [
    "gRPC-Web",
    200,
    /grpc-status: 4/,
    { "content-type": "application/grpc-web+proto", "grpc-accept-encoding": "gzip" },
  ],
])(
  "over %s, a call whose answer waits for too long to be compressed is told so",
  async (_, status, said, headers) => {
    expect(await lateAnswer(headers)).toEqual({ status, said: expect.stringMatching(said), calls: 1 });
  },
);
