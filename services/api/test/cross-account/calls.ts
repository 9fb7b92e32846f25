import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { readdirSync } from "node:fs";
import {
  type DescMessage,
  type DescMethod,
  type DescService,
  fromJson,
  type JsonValue,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import type { FastifyInstance, RouteOptions } from "fastify";
import { accessTo } from "../../src/connect/access.ts";
import { type Bench, type RestAnswer, startBench } from "../fixture.ts";
import { FIRST, type Thing, type Things } from "./two-accounts.ts";

/**
 * The values of fields that are not ids, by name, or by message and name: the first account's values, if both
 * accounts can send the same. Undefined leaves the field out.
 */
const VALUES: Readonly<Record<string, unknown>> = {
  action: undefined,
  attempts_min: undefined,
  burst: undefined,
  concurrency: undefined,
  code: FIRST.ownCode,
  data_json: FIRST.dataJson,
  description: "first's own",
  event: FIRST.eventType,
  event_type: FIRST.eventType,
  event_types: FIRST.eventType,
  idempotency_key: FIRST.idempotencyKey,
  // It leaves one event, and a list must have two pages. `list-events.test.ts` has it.
  "ListEventsRequest.idempotency_key": undefined,
  "CustomHeaderChanges.set": undefined,
  "CustomHeaderChanges.remove": undefined,
  key_set: "unknown",
  key_value: FIRST.invoiceNumber,
  name: "any name",
  page_size: undefined,
  range: undefined,
  after: undefined,
  pointer: "/none",
  portal_code: "unknown",
  rate_per_second: undefined,
  sample_json: "{}",
  schema_check: undefined,
  scopes: "subscriptions:read",
  secret: undefined,
  sequence: 1,
  since: "2020-01-01T00:00:00Z",
  status: undefined,
  statuses: undefined,
  subject_id: undefined,
  target_url: FIRST.targetUrl,
  token_id: undefined,
  value: "x",
  values: undefined,
  version: undefined,
};

/** Returns the value of a field that names a thing; undefined leaves the field out. */
export type Naming = (field: string, thing: Thing) => unknown;
/** Leaves out every such field. */
export const nothing: Naming = () => undefined;
/** Fills every such field with the thing of its kind. */
export const thoseOf =
  (things: Things): Naming =>
  (_field, thing) =>
    things[thing];
type Send = (bench: Bench, token: string | null) => Promise<RestAnswer>;
/** An RPC or a route of the REST gateway. */
export type Call = {
  /** `SubscriptionService/GetSubscription` or `GET /api/Webhook/:id`. */
  readonly name: string;
  /** Whether it changes nothing, and thus needs a scope for reading. */
  readonly reads: boolean;
  /** Whether it needs a token, but no scope. */
  readonly anyToken: boolean;
  /** Whether it sees every account, and thus needs the scope `admin`. */
  readonly administers: boolean;
  /** Builds a request with every field filled. @param more further fields */
  request(naming: Naming, more?: object): Send;
};

/** Lists the fields of a call's request that name a thing. */
export function idsNamedIn(call: Call): { field: string; thing: Thing }[] {
  const names: { field: string; thing: Thing }[] = [];
  call.request((field, thing) => void names.push({ field, thing }));
  return names;
}

/** Returns an answer's text with ids replaced by their kinds. It must be equal for ids that do not exist. */
export function withoutIds({ status, body }: RestAnswer, things: Things): string {
  const ids = Object.entries(things).filter(([, id]) => id !== undefined && id !== things.page);
  return ids.reduce(
    (text, [thing, id]) => text.replaceAll(String(id), thing),
    `${status} ${JSON.stringify(withoutBytes(body))}`,
  );
}

/** Leaves out the Base64 of an error's details, which hold the same ids as their text (`debug`). */
function withoutBytes(body: RestAnswer["body"]): unknown {
  if (!Array.isArray(body?.details)) return body;
  const details = body.details.map(({ type, debug }: { type: string; debug: unknown }) => ({ type, debug }));
  return { ...body, details };
}

const RPC_PATH = "/posthaste.v1.";
const KINDS = [
  "account",
  "token",
  "subscription",
  "event",
  "delivery",
  "recovery",
  "erasure",
  "inbox",
] as const;

/**
 * Returns the kind of thing a field names: from the field's name, as in `delivery_id`, or for a bare `id`
 * from the names it is within, innermost first.
 */
function thingNamed(field: string, ...within: string[]): Thing | undefined {
  if (field === "page_token") return "page";
  // Filters of the administrators' log, beside the account: a thing of any kind, and who changed it.
  if (within[0] === "ListAuditEntriesRequest" && field !== "account_id") return undefined;
  // The code of a new event type is not an id yet.
  if (field === "code" && !within[0]?.startsWith("Create")) return "eventType";
  const id = /^(?:(.*)_)?(?:ids?|uuids?|cursor)$/.exec(field);
  if (id === null) return undefined;
  for (const text of id[1] === undefined ? within : [id[1]]) {
    // Matches plurals, too. A Webhook is a subscription; `EventType` must not match `event`.
    const words = text.replace("EventType", "").replace("Webhook", "subscription").toLowerCase();
    const kinds = KINDS.filter((kind) => words.includes(kind.replace("y", "")));
    if (kinds.length === 1) return kinds[0];
  }
  throw new Error(`${field} in ${within[0]} looks like an id of an unknown kind; extend thingNamed()`);
}

/**
 * Returns the value of a field that is not an id. Throws for an unknown field, so that no new field is
 * overlooked.
 */
function valueFor(field: string, within: string): unknown {
  for (const name of [`${within}.${field}`, field]) if (Object.hasOwn(VALUES, name)) return VALUES[name];
  throw new Error(
    `${field} in ${within} is unknown; if it is an id, extend thingNamed(), otherwise add it to VALUES`,
  );
}

const NEVER_IDS = [ScalarType.BOOL, ScalarType.BYTES, ScalarType.DOUBLE, ScalarType.FLOAT, undefined];

function rpcCall(method: DescMethod): Call {
  const name = `${method.parent.name}/${method.name}`;
  return {
    name,
    reads: method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
    anyToken: accessTo(method) === "any",
    administers: accessTo(method) === "admin",
    request(naming, more) {
      if (method.methodKind === "server_streaming")
        return firstAnswer(method, bodyOf(method.input, method.parent, naming));
      if (method.methodKind === "bidi_streaming")
        return firstAnswer(method, bodyOf(method.input, method.parent, naming), "2");
      if (method.methodKind !== "unary") throw new Error(`${name} is a stream; extend rpcCall()`);
      const body = { ...bodyOf(method.input, method.parent, naming), ...more };
      return async (bench, token) => await bench.rpc(name, body, { token });
    },
  };
}

/** The cursor before the first change. */
const FROM_THE_BEGINNING = "0.0";

/** Opens a stream and returns its first answer. A bidirectional stream needs HTTP/2. */
function firstAnswer(
  method: DescMethod,
  body: Record<string, unknown>,
  httpVersion: "1.1" | "2" = "1.1",
): Send {
  return async (bench, token) => {
    const sessionManager = new Http2SessionManager(bench.url);
    const http = httpVersion === "2" ? { httpVersion, sessionManager } : { httpVersion };
    const transport = createConnectTransport({ baseUrl: bench.url, ...http });
    const stop = new AbortController();
    const headers = token === null ? {} : { authorization: `Bearer ${token}` };
    const cursor = method.input.field["cursor"] === undefined ? {} : { cursor: FROM_THE_BEGINNING };
    const input = fromJson(method.input, { ...body, ...cursor } as JsonValue);
    try {
      const once = async function* () {
        yield input;
      };
      const response = await transport.stream(
        method as never,
        stop.signal,
        undefined,
        headers,
        once() as never,
      );
      for await (const message of response.message) {
        return { status: 200, headers: response.header, body: toJson(method.output, message) };
      }
      return { status: 200, headers: response.header, body: {} };
    } catch (error) {
      const { code, rawMessage } = ConnectError.from(error);
      const name = (Code[code] ?? "").replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
      const status = name === "unauthenticated" ? 401 : name === "permission_denied" ? 403 : 400;
      return { status, headers: new Headers(), body: { code: name, message: rawMessage } };
    } finally {
      stop.abort();
      sessionManager.abort();
    }
  };
}

function bodyOf(type: DescMessage, service: DescService, naming: Naming, path = ""): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const field of type.fields) {
    const thing = thingNamed(field.name, type.name, service.name);
    // No field of Google's types names a thing of an account.
    const inner = field.message?.file.proto.package === "posthaste.v1" ? field.message : undefined;
    const at = `${path}${field.name}`;
    const value =
      thing !== undefined
        ? naming(at, thing)
        : inner !== undefined
          ? bodyOf(inner, service, naming, `${at}.`)
          : NEVER_IDS.includes(field.scalar)
            ? VALUES[field.name]
            : valueFor(field.name, type.name);
    // Not together with `headers`.
    if (field.name === "header_changes") continue;
    if (value !== undefined) body[field.name] = field.fieldKind === "list" ? [value] : value;
  }
  return body;
}

function restCall({ method, url, schema }: RouteOptions): Call {
  type Fields = { properties?: Readonly<Record<string, unknown>> } | undefined;
  const { querystring, body } = { ...schema } as { querystring: Fields; body: Fields };
  const filled = (fields: Fields, naming: Naming, other?: Thing) =>
    Object.keys(fields?.properties ?? {}).flatMap((field): [string, unknown][] => {
      const thing = thingNamed(field, url) ?? (field === "target_url" ? other : undefined);
      const value = thing === undefined ? valueFor(field, url) : naming(field, thing);
      return value === undefined ? [] : [[field, value]];
    });
  return {
    name: `${method} ${url}`,
    reads: method === "GET",
    anyToken: false,
    administers: false,
    request(naming, more) {
      const path = url.replaceAll(/\/([^/]+)\/:(\w+)/g, (_all, parent: string, name: string) => {
        const field = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
        const thing = thingNamed(field, parent);
        return `/${parent}/${thing === undefined ? valueFor(field, url) : naming(name, thing)}`;
      });
      // In a query, a URL selects subscriptions; in a body, it is a value.
      const query = [...filled(querystring, naming, "url"), ...Object.entries({ ...more })];
      const json = Object.fromEntries(filled(body, naming));
      const search = new URLSearchParams(
        query.map(([field, value]): [string, string] => [field, String(value)]),
      );
      const options = Object.keys(json).length === 0 ? {} : { json };
      return async (bench, token) =>
        await bench.rest(String(method), `${path}${search.size === 0 ? "" : `?${search}`}`, {
          ...options,
          token,
        });
    },
  };
}

/** Lists every RPC of every service that the contracts export. */
export async function everyRpc(): Promise<Call[]> {
  return (await everyService()).flatMap((service) => service.methods.map(rpcCall));
}

/**
 * Lists every route that Fastify registers when the server starts, including routes that the OpenAPI document
 * hides, and the names of the served RPCs.
 */
export async function everyRoute(): Promise<{ routes: Call[]; served: string[] }> {
  const routes: RouteOptions[] = [];
  const watch = (started: unknown) => {
    const { fastify } = started as { fastify: FastifyInstance };
    fastify.addHook("onRoute", (route) => {
      for (const method of [route.method].flat()) routes.push({ ...route, method });
    });
  };
  subscribe("fastify.initialization", watch);
  const bench = await startBench();
  unsubscribe("fastify.initialization", watch);
  await bench.dispose();
  const rpcs = routes.map(({ url }) => url).filter((url) => url.startsWith(RPC_PATH));
  return {
    routes: routes.filter(isRest).map(restCall),
    served: [...new Set(rpcs)].map((url) => url.slice(RPC_PATH.length)).sort(),
  };
}

/**
 * Tells whether a route belongs to the REST API. Skips HEAD, which uses GET's handler, the methods of WebDAV
 * and the like, which are answered as PUT is, and gRPC's health and reflection services, which know no
 * accounts.
 */
function isRest({ method, url }: RouteOptions): boolean {
  return (
    ![RPC_PATH, "/grpc.health.v1.", "/grpc.reflection."].some((path) => url.startsWith(path)) &&
    ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].includes(String(method))
  );
}

async function everyService(): Promise<DescService[]> {
  const contracts = readdirSync(
    new URL("../../../../packages/contracts/src/gen/posthaste/v1/", import.meta.url),
  );
  const modules = await Promise.all(
    contracts.map(
      async (file): Promise<object> => await import(`@posthaste/contracts/${file.replace("_pb.ts", "")}`),
    ),
  );
  return modules
    .flatMap((contract): unknown[] => Object.values(contract))
    .filter((value) => (value as { kind?: unknown } | null)?.kind === "service") as DescService[];
}
