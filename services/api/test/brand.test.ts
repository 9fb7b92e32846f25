import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "@posthaste/runtime";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BRAND_SETTINGS, brandFrom } from "../src/console/brand-settings.ts";
import { type Bench, startBench } from "./fixture.ts";

const PNG = Buffer.from("\x89PNG\r\n\x1a\n…", "latin1");
const SVG = `<?xml version="1.0"?>
<!-- drawn by hand -->
<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`;
/** A header of WOFF2 that names a length, and nothing else. */
const woff2 = (length: number) => {
  const bytes = Buffer.alloc(64);
  bytes.write("wOF2");
  bytes.writeUInt32BE(length, 8);
  return bytes;
};

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "posthaste-brand-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function file(name: string, content: string | Buffer): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  return path;
}

const read = (env: Record<string, string>) => brandFrom(readConfig(BRAND_SETTINGS, env));

describe("the settings of the brand", () => {
  test("are all optional, and without them the console is Posthaste's", () => {
    expect(read({})).toEqual({ name: null, logo: null, color: null, font: null, theme: "system" });
  });

  test("replace Posthaste's name even if only a colour, a logo or a font is set", () => {
    expect(read({ POSTHASTE_BRAND_COLOR: "#0B5E4A" })).toMatchObject({ name: "Webhooks", color: "#0b5e4a" });
    expect(read({ POSTHASTE_BRAND_LOGO: file("a.svg", SVG) }).name).toBe("Webhooks");
    expect(read({ POSTHASTE_BRAND_FONT: "Georgia" }).name).toBe("Webhooks");
    expect(read({ POSTHASTE_BRAND_THEME: "dark" }).name).toBeNull();
    expect(read({ POSTHASTE_BRAND_NAME: " Foxglove & Quill " }).name).toBe("Foxglove & Quill");
  });

  test.each([
    ["POSTHASTE_BRAND_NAME", "x".repeat(41), "1 to 40 characters"],
    ["POSTHASTE_BRAND_NAME", "two\nlines", "on one line"],
    ["POSTHASTE_BRAND_NAME", "turned \u202Earound", "on one line"],
    ["POSTHASTE_BRAND_COLOR", "tomato", "expected a colour as #RRGGBB"],
    ["POSTHASTE_BRAND_COLOR", "#fff", "expected a colour as #RRGGBB"],
    ["POSTHASTE_BRAND_FONT", 'Georgia"; } * { display: none', "letters, digits, spaces and hyphens"],
    ["POSTHASTE_BRAND_THEME", "sepia", "expected one of system, light, dark"],
    ["POSTHASTE_BRAND_LOGO", "/nowhere/logo.svg", "cannot be read (ENOENT)"],
  ])("stop the start with what to do: %s as %j", (name, value, problem) => {
    expect(() => read({ [name]: value })).toThrow(`${name}: `);
    expect(() => read({ [name]: value })).toThrow(problem);
  });

  test.each([
    ["a page", "POSTHASTE_BRAND_LOGO", "<!doctype html><svg></svg>", "neither SVG nor PNG"],
    [
      "a large file",
      "POSTHASTE_BRAND_LOGO",
      Buffer.concat([PNG, Buffer.alloc(102_400)]),
      "larger than 100 KiB",
    ],
    ["a font of another format", "POSTHASTE_BRAND_FONT_FILE", "OTTO", "convert the font to WOFF2"],
    ["half a font", "POSTHASTE_BRAND_FONT_FILE", woff2(65), "not a whole one"],
  ])("stop the start at %s as %s", (_what, name, content, problem) => {
    const path = file("file", content);
    expect(() => read({ [name]: path })).toThrow(problem);
  });

  test("stop the start if a font's file has no family", () => {
    const path = file("font.woff2", woff2(64));
    expect(() => read({ POSTHASTE_BRAND_FONT_FILE: path })).toThrow(
      "POSTHASTE_BRAND_FONT_FILE: set POSTHASTE_BRAND_FONT",
    );
    const brand = read({ POSTHASTE_BRAND_FONT_FILE: path, POSTHASTE_BRAND_FONT: "Acme Sans" });
    expect(brand.font).toMatchObject({ family: "Acme Sans", file: { mediaType: "font/woff2" } });
  });
});

describe("the brand is served", () => {
  let bench: Bench;
  afterEach(() => bench.dispose());

  async function start(env: Record<string, string>): Promise<void> {
    writeFileSync(join(dir, "index.html"), "<!doctype html>");
    writeFileSync(join(dir, "favicon.svg"), "<svg id='own'/>");
    bench = await startBench({
      console: { dir, frameAncestors: ["https://app.example"], brand: read(env) },
    });
  }
  const get = (path: string, headers = {}) => fetch(`${bench.url}${path}`, { headers });

  test("to anyone, as JSON and as a style sheet, which are asked for again only if they have changed", async () => {
    await start({
      POSTHASTE_BRAND_NAME: "Acme",
      POSTHASTE_BRAND_COLOR: "#ffd400",
      POSTHASTE_BRAND_THEME: "dark",
    });
    const json = await get("/brand.json");
    expect(await json.json()).toEqual({
      ...{ name: "Acme", theme: "dark", frameAncestors: ["https://app.example"] },
    });
    const css = await get("/brand.css");
    expect(css.headers.get("content-type")).toBe("text/css; charset=utf-8");
    const styles = await css.text();
    expect(styles).toMatch(/^html:root \{\n {2}color-scheme: dark;\n/);
    expect(styles).toMatch(/--accent: light-dark\(#\w{6}, #ffd400\);/);
    for (const answer of [json, css]) {
      expect(answer.headers.get("cache-control")).toBe("public, max-age=60, must-revalidate");
      const { pathname } = new URL(answer.url);
      const etag = answer.headers.get("etag") ?? "";
      expect((await get(pathname, { "if-none-match": etag })).status).toBe(304);
      expect((await get(pathname, { "if-none-match": 'W/"other"' })).status).toBe(200);
    }
  });

  test("with a logo that runs nothing, whatever it holds", async () => {
    await start({ POSTHASTE_BRAND_LOGO: file("logo.svg", SVG) });
    const logo = await get("/brand/logo");
    expect(await logo.text()).toBe(SVG);
    expect(Object.fromEntries(logo.headers)).toMatchObject({
      "content-type": "image/svg+xml",
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
      "x-content-type-options": "nosniff",
      "cross-origin-resource-policy": "same-origin",
    });
  });

  test("with the first letter of its name as a logo if there is none", async () => {
    await start({ POSTHASTE_BRAND_NAME: "& Sons", POSTHASTE_BRAND_COLOR: "#ffd400" });
    const logo = await get("/brand/logo");
    expect(logo.headers.get("content-type")).toBe("image/svg+xml");
    expect(await logo.text()).toContain("&#38;</text>");
  });

  test("with the type that a logo has, whatever its file is called", async () => {
    await start({ POSTHASTE_BRAND_LOGO: file("logo.svg", PNG) });
    expect((await get("/brand/logo")).headers.get("content-type")).toBe("image/png");
  });

  test("with a font, whose address changes with its content", async () => {
    const path = file("font.woff2", woff2(64));
    await start({ POSTHASTE_BRAND_FONT: "Acme Sans", POSTHASTE_BRAND_FONT_FILE: path });
    const styles = await (await get("/brand.css")).text();
    expect(styles).toContain('--brand-font: "Acme Sans";');
    const [, address = ""] = styles.match(/url\("([^"]+)"\)/) ?? [];
    const font = await get(address);
    expect(Buffer.from(await font.arrayBuffer())).toEqual(woff2(64));
    expect(Object.fromEntries(font.headers)).toMatchObject({
      "content-type": "font/woff2",
      "cache-control": "public, max-age=31536000, immutable",
    });
  });

  test("as Posthaste's own if nothing is set", async () => {
    await start({});
    expect(await (await get("/brand.css")).text()).toBe("");
    expect(await (await get("/brand.json")).json()).toMatchObject({ name: null });
    const logo = await get("/brand/logo");
    expect(await logo.text()).toBe("<svg id='own'/>");
    expect(logo.headers.get("content-type")).toContain("image/svg+xml");
  });
});
