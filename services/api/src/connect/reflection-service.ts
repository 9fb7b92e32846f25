import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { type DescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { file_posthaste_v1_error } from "@posthaste/contracts/error";
import { file_google_rpc_error_details } from "@posthaste/contracts/error-details";
import type { ServerReflection, ServerReflectionRequest } from "@posthaste/contracts/reflection";
import { Refusal } from "@posthaste/domain";
import { ANONYMOUS, type LoopTurns } from "../access/loop-turns.ts";
import type { PublicStreamGate } from "../access/stream-gate.ts";
import { LINE, OVER } from "./call-values.ts";

/** gRPC's status codes. */
const NOT_FOUND = 5;
const UNIMPLEMENTED = 12;
/** Questions of one stream. A tool asks once for each service and type; the contracts have about 110. */
const QUESTIONS_MAX = 200;

type Question = ServerReflectionRequest["messageRequest"];

/**
 * Implements gRPC server reflection, which lets tools such as grpcurl and `buf curl` discover the services.
 * It needs no token: the contracts are public.
 */
export function reflectionService(
  services: readonly DescService[],
  { gate, loopTurns }: { readonly gate: PublicStreamGate; readonly loopTurns: LoopTurns },
): ServiceImpl<typeof ServerReflection> {
  const files = new Map<string, DescFile>();
  for (const service of services) addFile(files, service.file);
  // No service imports the details of errors, which tools decode as well.
  for (const file of [file_posthaste_v1_error, file_google_rpc_error_details]) addFile(files, file);
  /** An answer's bytes, by file and by symbol. Made once: a question of 39 bytes is answered with 83 kB. */
  const bytesOfFile = new Map<string, Uint8Array[]>();
  const bytesOfSymbol = new Map<string, Uint8Array[]>();
  for (const [name, file] of files) {
    const bytes = withDependencies(file);
    bytesOfFile.set(name, bytes);
    for (const symbol of symbolsIn(file)) bytesOfSymbol.set(symbol, bytes);
  }

  const answerTo = (question: Question) => {
    switch (question.case) {
      case "listServices":
        return {
          case: "listServicesResponse" as const,
          value: { service: services.map(({ typeName: name }) => ({ name })) },
        };
      case "fileByFilename":
      case "fileContainingSymbol": {
        const byName = question.case === "fileByFilename" ? bytesOfFile : bytesOfSymbol;
        const fileDescriptorProto = byName.get(question.value);
        return fileDescriptorProto === undefined
          ? failure(NOT_FOUND, "unknown name")
          : { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto } };
      }
      default:
        return failure(UNIMPLEMENTED, "the contracts define no extensions");
    }
  };
  async function* answersTo(requests: AsyncIterable<ServerReflectionRequest>, over?: AbortSignal) {
    let asked = 0;
    for await (const request of requests) {
      asked += 1;
      if (asked > QUESTIONS_MAX) {
        throw new Refusal("too_many", `a stream takes at most ${QUESTIONS_MAX} questions; open another`);
      }
      const { host, messageRequest: question } = request;
      const messageResponse = answerTo(question);
      // An answer may have 83 kB, and nothing bounds how often anybody asks.
      await loopTurns.wait(ANONYMOUS, 0, over);
      yield { validHost: host, originalRequest: request, messageResponse };
    }
  }
  return {
    serverReflectionInfo: (requests, { values }) =>
      gate.pass(values.get(LINE), answersTo(requests, values.get(OVER))),
  };
}

function failure(errorCode: number, errorMessage: string) {
  return { case: "errorResponse" as const, value: { errorCode, errorMessage } };
}

function addFile(files: Map<string, DescFile>, file: DescFile): void {
  if (files.has(file.proto.name)) return;
  files.set(file.proto.name, file);
  for (const dependency of file.dependencies) addFile(files, dependency);
}

/** Encodes the file with all its dependencies, so that one answer is enough. */
function withDependencies(file: DescFile): Uint8Array<ArrayBuffer>[] {
  const files = new Map<string, DescFile>();
  addFile(files, file);
  return [...files.values()].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
}

/** Lists every name in the file's descriptor, including the entry messages of maps. */
function symbolsIn({ proto }: DescFile): string[] {
  return [
    ...proto.enumType.map(({ name }) => `${proto.package}.${name}`),
    ...proto.messageType.flatMap((message) => symbolsOf(message, proto.package)),
    ...proto.service.flatMap((service) => [
      `${proto.package}.${service.name}`,
      ...service.method.map(({ name }) => `${proto.package}.${service.name}.${name}`),
    ]),
  ];
}

function symbolsOf({ name, enumType, nestedType }: DescriptorProto, within: string): string[] {
  const fullName = `${within}.${name}`;
  return [
    fullName,
    ...enumType.map((inner) => `${fullName}.${inner.name}`),
    ...nestedType.flatMap((inner) => symbolsOf(inner, fullName)),
  ];
}
