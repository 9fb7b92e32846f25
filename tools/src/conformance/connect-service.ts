import { setTimeout as sleep } from "node:timers/promises";
import { create, type DescMessage, type Message, type Registry } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";

/*
 * The service that the Connect suite calls, as `connectrpc/conformance/v1/service.proto` describes it: it
 * answers what the request says, and tells what it received. Its contract comes with the suite, so its
 * messages have no generated types; those below are the fields that are read here.
 */

const PACKAGE = "connectrpc.conformance.v1";

type Header = { readonly name: string; readonly value: readonly string[] };
type WantedError = {
  readonly code: number;
  readonly message?: string;
  readonly details: readonly { readonly typeUrl: string; readonly value: Uint8Array }[];
};
type Wanted = {
  readonly responseHeaders: readonly Header[];
  readonly responseTrailers: readonly Header[];
  readonly responseDelayMs: number;
};
type UnaryWanted = Wanted & {
  readonly response:
    | { readonly case: "responseData"; readonly value: Uint8Array }
    | { readonly case: "error"; readonly value: WantedError }
    | { readonly case: undefined; readonly value?: undefined };
};
type StreamWanted = Wanted & { readonly responseData: readonly Uint8Array[]; readonly error?: WantedError };
type Request<W> = Message & { readonly responseDefinition?: W };
type BidiRequest = Request<StreamWanted> & { readonly fullDuplex: boolean };

type Options = Parameters<ConnectRouter["service"]>[2];

/** What an answer tells: the requests that were received, and their call. */
type Received = { readonly context: HandlerContext; readonly requests: readonly Message[] };

/** Makes the parts of answers. Without `received`, they tell nothing. */
type Answers = {
  message(data: Uint8Array | undefined, received?: Received): { readonly payload: Message };
  error(wanted: WantedError, received?: Received): ConnectError;
};

/**
 * Adds the service to a router, except for its method `Unimplemented`.
 *
 * @param registry has the suite's contract
 */
export function addConformanceService(router: ConnectRouter, registry: Registry, options: Options): void {
  const service = registry.getService(`${PACKAGE}.ConformanceService`);
  if (service === undefined) throw new Error("the suite's contract has no ConformanceService");
  const answers = answersOf(registry);
  const unary = (request: Request<UnaryWanted>, context: HandlerContext) =>
    answerOnce(answers, request.responseDefinition, { context, requests: [request] });
  const methods = {
    unary,
    idempotentUnary: unary,
    async clientStream(stream: AsyncIterable<Request<UnaryWanted>>, context: HandlerContext) {
      const requests: Request<UnaryWanted>[] = [];
      for await (const request of stream) requests.push(request);
      return await answerOnce(answers, requests[0]?.responseDefinition, { context, requests });
    },
    serverStream: (request: Request<StreamWanted>, context: HandlerContext) =>
      answerInStream(answers, request.responseDefinition, { context, requests: [request] }),
    async *bidiStream(stream: AsyncIterable<BidiRequest>, context: HandlerContext) {
      const rest: AsyncIterator<BidiRequest, undefined> = stream[Symbol.asyncIterator]();
      const { value: first } = await rest.next();
      if (first === undefined) return;
      if (first.fullDuplex) {
        yield* answerEach(answers, first, rest, context);
        return;
      }
      const requests = [first];
      for (let next = await rest.next(); next.value !== undefined; next = await rest.next()) {
        requests.push(next.value);
      }
      yield* answerInStream(answers, first.responseDefinition, { context, requests });
    },
  };
  // The type of a contract that is read at run time has no methods.
  router.service(service, methods as never, options);
}

async function answerOnce(answers: Answers, wanted: UnaryWanted | undefined, received: Received) {
  addMetadata(received.context, wanted);
  await sleep(wanted?.responseDelayMs ?? 0);
  if (wanted?.response.case === "error") throw answers.error(wanted.response.value, received);
  return answers.message(wanted?.response.value, received);
}

/** Sends all answers, of which the first tells what was received. */
async function* answerInStream(answers: Answers, wanted: StreamWanted | undefined, received: Received) {
  addMetadata(received.context, wanted);
  let untold: Received | undefined = received;
  for (const data of wanted?.responseData ?? []) {
    await sleep(wanted?.responseDelayMs ?? 0);
    yield answers.message(data, untold);
    untold = undefined;
  }
  if (wanted?.error !== undefined) throw answers.error(wanted.error, untold);
}

/** Answers each request as it comes. Sends the answers that are left after the last one. */
async function* answerEach(
  answers: Answers,
  first: BidiRequest,
  rest: AsyncIterator<BidiRequest, undefined>,
  context: HandlerContext,
) {
  const wanted = first.responseDefinition;
  addMetadata(context, wanted);
  let last: BidiRequest | undefined = first;
  for (const data of wanted?.responseData ?? []) {
    await sleep(wanted?.responseDelayMs ?? 0);
    yield answers.message(data, last === undefined ? undefined : { context, requests: [last] });
    if (last !== undefined) last = (await rest.next()).value;
  }
  if (wanted?.error === undefined) return;
  const isFirst = wanted.responseData.length === 0;
  throw answers.error(wanted.error, isFirst ? { context, requests: [first] } : undefined);
}

function answersOf(registry: Registry): Answers {
  const schemaOf = (name: string): DescMessage => {
    const schema = registry.getMessage(name);
    if (schema === undefined) throw new Error(`the suite's contract has no ${name}`);
    return schema;
  };
  const payloadSchema = schemaOf(`${PACKAGE}.ConformancePayload`);
  const infoSchema = schemaOf(`${PACKAGE}.ConformancePayload.RequestInfo`);
  const infoOf = ({ context, requests }: Received) => {
    const timeoutMs = context.timeoutMs();
    return {
      requestHeaders: [...context.requestHeader].map(([name, value]) => ({ name, value: [value] })),
      requests: requests.map((request) => anyPack(schemaOf(request.$typeName), request)),
      ...(timeoutMs === undefined ? {} : { timeoutMs: BigInt(timeoutMs) }),
    };
  };
  return {
    message: (data, received) => ({
      payload: create(payloadSchema, {
        ...(data === undefined ? {} : { data }),
        ...(received === undefined ? {} : { requestInfo: infoOf(received) }),
      }),
    }),
    error({ code, message = "", details }, received) {
      const error = new ConnectError(message, code);
      error.details.push(
        ...details.map(({ typeUrl, value }) => ({ type: typeUrl.replace(/^.*\//, ""), value })),
        ...(received === undefined ? [] : [{ desc: infoSchema, value: infoOf(received) }]),
      );
      return error;
    },
  };
}

function addMetadata(
  { responseHeader, responseTrailer }: HandlerContext,
  { responseHeaders = [], responseTrailers = [] }: Partial<Wanted> = {},
): void {
  const add = (target: Headers, headers: readonly Header[]) => {
    for (const { name, value } of headers) for (const one of value) target.append(name, one);
  };
  add(responseHeader, responseHeaders);
  add(responseTrailer, responseTrailers);
}
