import { createHash } from "node:crypto";
import { DAY_MS } from "@posthaste/domain";
import type { FastifyInstance } from "fastify";
import type { Brand } from "./brand-settings.ts";
import { brandStyles } from "./brand-styles.ts";
import { monogram } from "./monogram.ts";

/** How long a browser uses them without asking: from one page load to the next. Then it sees a new brand. */
const FRESH_S = 60;
const FONT_FRESH_S = (365 * DAY_MS) / 1_000;

/**
 * An SVG file that is opened by itself is a document of this origin. It runs nothing and loads nothing,
 * whatever it holds.
 */
const LOGO_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/**
 * Serves what the page needs of the brand, to anyone: it is shown before anybody signs in.
 *
 * @param frameAncestors whom the page tells what becomes of its session, if it is in their frame
 */
export function brandRoutes(app: FastifyInstance, brand: Brand, frameAncestors: readonly string[]): void {
  const { name, theme } = brand;
  const font = brand.font?.file ?? null;
  const fontPath = font === null ? null : `/brand/font-${hashOf(font.bytes)}.woff2`;
  const page = { name, theme, frameAncestors };
  serve(app, "/brand.json", Buffer.from(JSON.stringify(page)), { type: "application/json; charset=utf-8" });
  serve(app, "/brand.css", Buffer.from(brandStyles(brand, fontPath)), { type: "text/css; charset=utf-8" });
  if (name !== null) {
    const logo = brand.logo ?? monogram(name, brand.color);
    serve(app, LOGO_PATH, logo.bytes, { type: logo.mediaType, policy: LOGO_POLICY });
  }
  if (font !== null && fontPath !== null) {
    serve(app, fontPath, font.bytes, { type: font.mediaType, cache: "immutable", freshS: FONT_FRESH_S });
  }
}

/** The brand's logo, or else the console's own: also the icon of the browser's tab. */
export const LOGO_PATH = "/brand/logo";

function serve(
  app: FastifyInstance,
  path: string,
  body: Buffer,
  options: { type: string; policy?: string; cache?: string; freshS?: number },
): void {
  const { type, policy = "default-src 'none'", cache = "must-revalidate", freshS = FRESH_S } = options;
  // Weak, so that it stays true if a proxy compresses the answer.
  const etag = `W/"${hashOf(body)}"`;
  const headers = {
    etag,
    "cache-control": `public, max-age=${freshS}, ${cache}`,
    "content-security-policy": policy,
    "cross-origin-resource-policy": "same-origin",
  };
  app.get(path, { schema: { hide: true } }, async (request, reply) => {
    reply.headers(headers);
    if (request.headers["if-none-match"]?.includes(etag) === true) return reply.code(304).send();
    return reply.type(type).send(body);
  });
}

/** A name for content: 16 characters are enough to tell one from another. */
function hashOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("base64url").slice(0, 16);
}
