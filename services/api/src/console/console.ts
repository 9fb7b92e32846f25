import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";
import { CONSOLE_PATHS } from "./console-paths.ts";

export type ConsoleOptions = {
  /** Where its built files are. */
  readonly dir: string;
  /** Origins whose pages may show it in a frame; empty: none. */
  readonly frameAncestors: readonly string[];
};

/** Where `npm run build` puts it. */
export const CONSOLE_DIR = fileURLToPath(new URL("../../../console/dist", import.meta.url));
const ASSETS = "/assets";
/** A year: the name of such a file changes with what is in it. */
const ASSET_AGE_MS = 365 * 24 * 3_600_000;
const PAGE = "index.html";

/** Whether the console was built. */
export function isConsoleThere(dir: string): boolean {
  return existsSync(join(dir, PAGE));
}

/**
 * Serves the console's files: its page at the addresses that it has, and what the page loads. Nothing else is touched:
 * an address that nobody serves stays one.
 */
export async function consolePages(
  app: FastifyInstance,
  { dir, frameAncestors }: ConsoleOptions,
): Promise<void> {
  await app.register(fastifyStatic, { root: dir, serve: false, cacheControl: false, preCompressed: true });
  const headers = pageHeaders(frameAncestors);
  for (const path of CONSOLE_PATHS) {
    app.get(path, { schema: { hide: true } }, async (_request, reply) =>
      // The page names its files by their content, so an old one would ask for what is gone.
      reply.headers(headers).header("cache-control", "no-cache").sendFile(PAGE),
    );
  }
  app.get(`${ASSETS}/*`, { schema: { hide: true } }, async (request, reply) => {
    const { "*": name } = request.params as { "*": string };
    return reply
      .header("cross-origin-resource-policy", "same-origin")
      .sendFile(name, join(dir, ASSETS), { cacheControl: true, immutable: true, maxAge: ASSET_AGE_MS });
  });
  app.get("/favicon.svg", { schema: { hide: true } }, async (_request, reply) =>
    reply.sendFile("favicon.svg"),
  );
}

/** What the page may do: run and load what comes from here, and nothing that is written into it. */
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
    // For what does not know frame-ancestors; it cannot name origins.
    ...(frameAncestors.length === 0 ? { "x-frame-options": "DENY" } : {}),
  };
}
