import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { sendProblem } from "./problem.ts";
import { REFUSALS } from "./refusal-table.ts";

/** The characters of a path that an answer repeats. */
const PATH_CHARS_MAX = 200;

/** The order of methods in `Allow`. */
const ORDER = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** Sends a page for a request that no route takes; undefined: a problem is the answer. */
export type SendPage = (request: FastifyRequest, reply: FastifyReply) => FastifyReply | undefined;

/** A path of the API and the methods that it takes. */
type Route = { readonly path: RegExp; readonly methods: Set<string> };

/**
 * Answers requests that no route takes, before their bodies are read: OPTIONS with the methods of the path,
 * other methods with 405 and `Allow` (RFC 9110, section 15.5.6), and other paths with 404. Call this before
 * routes are added.
 *
 * @param methodsOf the methods of a path whose route takes all to refuse them itself; undefined: those of its
 *   routes
 * @param insteadOf says what there is instead of a path that is similar to another; undefined: nothing is
 * @param sendPage sends a page to a browser at a path that is not found; undefined: this request gets none
 */
export function answerUnrouted(
  app: FastifyInstance,
  methodsOf: (path: string) => readonly string[] | undefined,
  insteadOf: (path: string) => string | undefined,
  sendPage: SendPage,
): void {
  const routes = new Map<string, Route>();
  app.addHook("onRoute", ({ url, method }) => {
    // The route of preflights, which takes every path.
    if (url === "*") return;
    const route = routes.get(url) ?? { path: patternOf(url), methods: new Set<string>() };
    routes.set(url, route);
    for (const one of methodsOf(url) ?? [method].flat()) route.methods.add(one);
  });
  const answer = (request: FastifyRequest, reply: FastifyReply) => {
    if (request.method === "CONNECT") return noProxy(reply);
    const path = request.url.split("?")[0] ?? "";
    const methods = [...routes.values()]
      .filter((route) => route.path.test(path))
      .flatMap((route) => [...route.methods]);
    return methods.length === 0 || methods.includes(request.method)
      ? (sendPage(request, reply) ?? noRoute(reply, path, insteadOf(path) ?? "see /api/docs"))
      : otherMethod(request, reply, path, new Set(methods));
  };
  app.addHook("onRequest", async (request, reply) => (request.is404 ? answer(request, reply) : undefined));
  app.setNotFoundHandler(answer);
}

/** A route's URL as a pattern for paths, which Fastify matches in any case, also with a slash at the end. */
function patternOf(url: string): RegExp {
  const escaped = url.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const source = escaped.replaceAll(/:\w+/g, "[^/]+").replace(/\\\*$/, ".*").replace(/\/$/, "");
  return new RegExp(`^${source}/?$`, "i");
}

function otherMethod(
  request: FastifyRequest,
  reply: FastifyReply,
  path: string,
  methods: ReadonlySet<string>,
): FastifyReply {
  const allow = ORDER.filter((method) => methods.has(method) || method === "OPTIONS").join(", ");
  reply.header("allow", allow);
  if (request.method === "OPTIONS") return reply.code(204).send();
  return sendProblem(reply, {
    title: "Method not allowed",
    status: 405,
    detail: `${path.slice(0, PATH_CHARS_MAX)} does not take the method; use ${allow}`,
    reason: "METHOD_NOT_ALLOWED",
  });
}

function noProxy(reply: FastifyReply): FastifyReply {
  return sendProblem(reply.header("allow", ""), {
    title: "Method not allowed",
    status: 405,
    detail: "this is no proxy and connects to nobody; see /api/docs",
    reason: "METHOD_NOT_ALLOWED",
  });
}

function noRoute(reply: FastifyReply, path: string, instead: string): FastifyReply {
  return sendProblem(reply, {
    title: REFUSALS.not_found.title,
    status: 404,
    detail: `no route matches ${path.slice(0, PATH_CHARS_MAX)}; ${instead}`,
    reason: "ROUTE_UNKNOWN",
  });
}
