import { connect } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
} from "@posthaste/contracts/reflection";
import { ServerReflection as ServerReflectionV1Alpha } from "@posthaste/contracts/reflection-v1alpha";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
/** How many computations have waited for a turn of the event loop. */
let waits = 0;
beforeAll(async () => {
  t = await startBench({
    loopTurns: {
      onWaited: () => {
        waits += 1;
      },
    },
  });
});
afterAll(() => t.dispose());

type Question = Exclude<ServerReflectionRequest["messageRequest"], { case: undefined }>;

/** Sends the questions on one stream, as tools do. */
async function ask(service: typeof ServerReflection, questions: readonly Question[]) {
  const client = createClient(service, createGrpcTransport({ baseUrl: t.url }));
  const requests = async function* () {
    for (const messageRequest of questions) yield { host: "", messageRequest };
  };
  const answers = [];
  for await (const { messageResponse } of client.serverReflectionInfo(requests()))
    answers.push(messageResponse);
  return answers;
}
const filesOf = (answer: Awaited<ReturnType<typeof ask>>[number] | undefined): FileDescriptorProto[] =>
  answer?.case === "fileDescriptorResponse"
    ? answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes))
    : [];

test.each([
  ["v1", ServerReflection],
  ["v1alpha", ServerReflectionV1Alpha as unknown as typeof ServerReflection],
])(
  "%s lists every service, with all descriptors needed to call it, without a token",
  async (_version, service) => {
    const [listed] = await ask(service, [{ case: "listServices", value: "" }]);
    const names = listed?.case === "listServicesResponse" ? listed.value.service.map(({ name }) => name) : [];
    expect(names).toContain("posthaste.v1.SubscriptionService");
    expect(names).toContain("grpc.health.v1.Health");
    const answers = await ask(
      service,
      names.map((value) => ({ case: "fileContainingSymbol", value }) as const),
    );
    for (const answer of answers) {
      const files = filesOf(answer);
      const included = new Set(files.map((file) => file.name));
      expect(files.length).toBeGreaterThan(0);
      expect(files.flatMap((file) => file.dependency).filter((name) => !included.has(name))).toEqual([]);
    }
  },
);

test.each([
  "posthaste.v1.EventIngestService.IngestEvent",
  "posthaste.v1.Subscription",
  "posthaste.v1.ErrorReason",
  "google.rpc.ErrorInfo",
  "posthaste.v1.Subscription.MetadataEntry",
  "posthaste.v1.DeliveryState",
  "google.protobuf.Timestamp",
])("the symbol %s is found", async (value) => {
  const [answer] = await ask(ServerReflection, [{ case: "fileContainingSymbol", value }]);
  expect(filesOf(answer).length).toBeGreaterThan(0);
});

test("a file is found by its name, and an unknown name is answered with NOT_FOUND", async () => {
  const answers = await ask(ServerReflection, [
    { case: "fileByFilename", value: "posthaste/v1/delivery.proto" },
    { case: "fileByFilename", value: "no/such.proto" },
    { case: "fileContainingSymbol", value: "no.such.Symbol" },
  ]);
  expect(filesOf(answers[0])[0]?.name).toBe("posthaste/v1/delivery.proto");
  expect(answers[1]).toMatchObject({ case: "errorResponse", value: { errorCode: 5 } });
  expect(answers[2]).toMatchObject({ case: "errorResponse", value: { errorCode: 5 } });
});

test.each([
  ["v1", ServerReflection],
  ["v1alpha", ServerReflectionV1Alpha as unknown as typeof ServerReflection],
])(
  "a stream of %s takes as many questions as a tool has that asks for every name, and no more",
  async (_version, service) => {
    const questions = (count: number) =>
      Array(count).fill({ case: "fileByFilename", value: "posthaste/v1/delivery.proto" } as const);
    const answers = await ask(service, questions(200));
    expect(answers).toHaveLength(200);
    await expect(ask(service, questions(201))).rejects.toMatchObject({
      code: Code.ResourceExhausted,
      rawMessage: "a stream takes at most 200 questions; open another",
    });
  },
);

/** Asks over gRPC, ready for compressed answers. @returns the flag of each, 1 for a compressed one */
async function flagsOfAnswers(encoding: string, ...symbols: readonly string[]): Promise<number[]> {
  const session = connect(t.url);
  const stream = session.request({
    ":method": "POST",
    ":path": "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "content-type": "application/grpc",
    "grpc-accept-encoding": encoding,
    te: "trailers",
  });
  for (const value of symbols) {
    const question = create(ServerReflectionRequestSchema, {
      messageRequest: { case: "fileContainingSymbol", value },
    });
    const message = toBinary(ServerReflectionRequestSchema, question);
    stream.write(Buffer.from([0, 0, 0, 0, message.length, ...message]));
  }
  stream.end();
  let rest = Buffer.concat(await stream.toArray());
  session.destroy();
  const flags: number[] = [];
  for (; rest.length > 0; rest = rest.subarray(5 + rest.readUInt32BE(1))) flags.push(rest[0] ?? -1);
  return flags;
}

test.each(["br", "gzip"])(
  "answers are not compressed in %s, since no account answers for it",
  async (encoding) => {
    const answers = await flagsOfAnswers(
      encoding,
      "posthaste.v1.DeliveryService",
      "posthaste.v1.Subscription",
    );
    expect(answers).toEqual([0, 0]);
  },
);

test("each answer waits for a turn of the event loop, however small", async () => {
  waits = 0;
  await flagsOfAnswers("identity", "posthaste.v1.DeliveryService", "no.such.Symbol");
  expect(waits).toBe(2);
});
