import { createReadStream, existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import { DAY_MS, Refusal } from "@posthaste/domain";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { brandRoutes, LOGO_PATH } from "./brand-routes.ts";
import { type Brand, NO_BRAND } from "./brand-settings.ts";
import { CONSOLE_PATHS } from "./console-paths.ts";

export type ConsoleOptions = {
  /** The folder of its built files. */
  readonly dir: string;
  /** Origins whose pages may embed it in a frame; empty for none. */
  readonly frameAncestors: readonly string[];
  /** Default: Posthaste's own. */
  readonly brand?: Brand;
};

/** The folder that `npm run build` writes the console to. */
export const CONSOLE_DIR = fileURLToPath(new URL("../../../console/dist", import.meta.url));
const ASSETS = "/assets";
/** Cached for a year: an asset's name changes with its content. */
const ASSET_AGE_MS = 365 * DAY_MS;
const PAGE = "index.html";

/** Tells whether the console was built. */
export function isConsoleThere(dir: string): boolean {
  return existsSync(join(dir, PAGE));
}

/**
 * Serves the console's page at its paths, and the files that the page loads. All other paths are left alone:
 * an unknown one is answered 404, and so are hidden files and links that lead out of the folder.
 */
export async function consolePages(
  app: FastifyInstance,
  { dir, frameAncestors, brand = NO_BRAND }: ConsoleOptions,
): Promise<void> {
  await app.register(fastifyStatic, {
    ...{ root: dir, serve: false, cacheControl: false, preCompressed: true, dotfiles: "ignore" },
    onFile: async (path) => await requireWithin(dir, path),
  });
  const headers = pageHeaders(frameAncestors);
  for (const path of CONSOLE_PATHS) {
    app.get(path, { schema: { hide: true } }, async (_request, reply) =>
      // The page refers to assets by content hash, so a stale page would request files that no longer exist.
      reply.headers(headers).header("cache-control", "no-cache").sendFile(PAGE),
    );
  }
  app.get(`${ASSETS}/*`, { schema: { hide: true } }, async (request, reply) => {
    const { "*": name } = request.params as { "*": string };
    return reply
      .header("cross-origin-resource-policy", "same-origin")
      .sendFile(name, join(dir, ASSETS), { cacheControl: true, immutable: true, maxAge: ASSET_AGE_MS });
  });
  for (const path of ["/favicon.svg", ...(brand.name === null ? [LOGO_PATH] : [])]) {
    app.get(path, { schema: { hide: true } }, async (_request, reply) => reply.sendFile("favicon.svg"));
  }
  brandRoutes(app, brand, frameAncestors);
}

/**
 * Sends the console's page, which says that there is none at this address, to a browser that was led there.
 * Programs, and whatever asks for a file or below the API's paths, get a problem. Without a console, all do.
 */
export function notFoundPage(options: ConsoleOptions | undefined) {
  if (options === undefined) return () => undefined;
  const { dir, frameAncestors } = options;
  const headers = pageHeaders(frameAncestors);
  return ({ method, url, headers: { accept = "" } }: FastifyRequest, reply: FastifyReply) => {
    const path = url.split("?")[0] ?? "";
    const isNavigation = /^(?:GET|HEAD)$/.test(method) && accept.includes("text/html");
    if (!isNavigation || NOT_PAGES.test(path)) return undefined;
    const page = createReadStream(join(dir, PAGE));
    return reply.code(404).headers(headers).header("cache-control", "no-cache").type(HTML).send(page);
  };
}

/** Paths of the API, of assets and, by their dot, of files and RPCs. */
const NOT_PAGES = /^\/(?:api|assets)(?:\/|$)|\./i;
const HTML = "text/html; charset=utf-8";

/** The folder may itself be a link, to another release from one request to the next. */
async function requireWithin(dir: string, path: string): Promise<void> {
  const [folder, file] = await Promise.all([realpath(dir), realpath(path)]);
  if (!file.startsWith(folder + sep)) throw new Refusal("not_found", "this file is not the console's");
}

/** Returns headers that let the page run and load files from this origin only, and no inline code. */
function pageHeaders(frameAncestors: readonly string[]): Readonly<Record<string, string>> {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    `frame-ancestors ${frameAncestors.length === 0 ? "'none'" : frameAncestors.join(" ")}`,
  ];
  return {
    "content-security-policy": policy.join("; "),
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    // For browsers without frame-ancestors. It cannot list origins, so it is sent only if none may embed the
    // page.
    ...(frameAncestors.length === 0 ? { "x-frame-options": "DENY" } : {}),
  };
}
