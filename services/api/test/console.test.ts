import { once } from "node:events";
import fs, { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { constants } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { countFrames, FRAME, headers, preface, rawSocket, reset } from "@posthaste/testkit/http2-frames";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { isConsoleThere } from "../src/console/console.ts";
import { type Bench, startBench } from "./fixture.ts";

const PAGE = "<!doctype html><title>Posthaste</title>";
let dir: string;
let bench: Bench;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "posthaste-console-"));
  mkdirSync(join(dir, "assets"));
  writeFileSync(join(dir, "index.html"), PAGE);
  writeFileSync(join(dir, "favicon.svg"), "<svg/>");
  writeFileSync(join(dir, "assets", "index-x1.js"), "export {};");
});
afterEach(async () => {
  await bench.dispose();
  rmSync(dir, { recursive: true, force: true });
});

const get = (path: string) => bench.rest("GET", path, { token: null });

describe("the console's files", () => {
  beforeEach(async () => {
    bench = await startBench({ console: { dir, frameAncestors: [] } });
  });

  test("are served at the console's paths, under a policy that forbids inline code", async () => {
    for (const path of [
      "/",
      "/portal",
      "/deliveries/dlv_1",
      "/subscriptions/new",
      "/event-types/a",
      "/inbox",
    ]) {
      const { status, body, headers } = await get(path);
      expect([path, status, body]).toEqual([path, 200, PAGE]);
      expect(headers.get("content-security-policy")).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      );
      expect(Object.fromEntries(headers)).toMatchObject({
        "content-type": expect.stringContaining("text/html"),
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
      });
    }
  });

  test("with a content hash in their name are cached for a year", async () => {
    const { status, headers } = await get("/assets/index-x1.js");
    expect(status).toBe(200);
    expect(headers.get("content-type")).toContain("javascript");
    expect(headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect((await get("/assets/index-x2.js")).status).toBe(404);
  });

  test("hide no other route, and unknown paths are not found", async () => {
    expect((await get("/healthz")).body).toEqual({ status: "ok" });
    expect((await get("/api/Webhook")).status).toBe(401);
    expect((await get("/api/openapi.json")).status).toBe(200);
    expect((await bench.rpc("DeliveryService/ListDeliveries", {})).status).toBe(200);
    for (const path of ["/nothing", "/deliveries/a/b", "/posthaste.v1.Nothing/Here", "/index.html"]) {
      expect([path, (await get(path)).status]).toEqual([path, 404]);
    }
  });

  test("are served to a browser at an address that does not exist, as not found; programs get a problem", async () => {
    const seen = async (path: string, accept: string, method = "GET") => {
      const response = await fetch(`${bench.url}${path}`, { method, headers: { accept } });
      return { status: response.status, type: response.headers.get("content-type")?.split(";")[0] };
    };
    const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    const page = { status: 404, type: "text/html" };
    const problem = { status: 404, type: "application/problem+json" };
    for (const path of ["/nowhere", "/deliveries/a/b", "/nowhere?a=b.c"]) {
      expect([path, await seen(path, browser)]).toEqual([path, page]);
      expect([path, await seen(path, "*/*")]).toEqual([path, problem]);
      expect([path, await seen(path, browser, "POST")]).toEqual([path, problem]);
    }
    const response = await fetch(`${bench.url}/nowhere`, { headers: { accept: browser } });
    expect(await response.text()).toBe(PAGE);
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    for (const path of ["/api/nothing", "/assets/gone", "/posthaste.v1.Nothing/Here", "/robots.txt"]) {
      expect([path, await seen(path, browser)]).toEqual([path, problem]);
    }
  });

  test("are served from their folder only", async () => {
    writeFileSync(join(dir, "secret.txt"), "secret");
    for (const path of [
      "/assets/../secret.txt",
      "/assets/%2e%2e/secret.txt",
      "/assets/..%2fsecret.txt",
      "/assets/..%5csecret.txt",
      "/assets//secret.txt",
      "/secret.txt",
    ]) {
      // Sent unchanged; `fetch` would normalize the path.
      const { status, text } = await sendPath(path);
      expect([path, status >= 400, text.includes("secret.txt") || !text.includes("secret")]).toEqual([
        path,
        true,
        true,
      ]);
    }
  });
});

describe("in the console's folder", () => {
  beforeEach(async () => {
    bench = await startBench({ console: { dir, frameAncestors: [] } });
  });

  test("a link is followed within the folder and not out of it, also as a compressed variant", async () => {
    const outside = mkdtempSync(join(tmpdir(), "posthaste-outside-"));
    onTestFinished(() => rmSync(outside, { recursive: true }));
    writeFileSync(join(outside, "secret.txt"), "secret");
    const links = {
      "inside.js": "index-x1.js",
      "file.js": join(outside, "secret.txt"),
      "index-x1.js.gz": join(outside, "secret.txt"),
      folder: outside,
    };
    for (const [name, target] of Object.entries(links)) symlinkSync(target, join(dir, "assets", name));
    expect(await get("/assets/inside.js")).toMatchObject({ status: 200, body: "export {};" });
    for (const name of ["file.js", "folder/secret.txt"]) {
      expect(await get(`/assets/${name}`)).toMatchObject({ status: 404, body: { status: 404 } });
    }
    const compressed = await fetch(`${bench.url}/assets/index-x1.js`, {
      headers: { "accept-encoding": "gzip" },
    });
    expect(compressed.status).toBe(404);
  });

  test("a hidden file is not served", async () => {
    mkdirSync(join(dir, "assets", ".git"));
    for (const name of [".env", ".git/config"]) {
      writeFileSync(join(dir, "assets", name), "secret");
      expect(await get(`/assets/${name}`)).toMatchObject({ status: 404 });
    }
  });

  test("the folder itself may be a link", async () => {
    const link = `${dir}-link`;
    symlinkSync(dir, link);
    onTestFinished(() => rmSync(link));
    const linked = await startBench({ console: { dir: link, frameAncestors: [] } });
    try {
      expect((await fetch(`${linked.url}/assets/index-x1.js`)).status).toBe(200);
      expect((await fetch(`${linked.url}/`)).status).toBe(200);
    } finally {
      await linked.dispose();
    }
  });
});

describe("a file is closed if its client left while it was being opened", () => {
  const requests = 200;
  /** Counts this process's open files; apart from the served files, the number hardly changes. */
  const openFiles = () => readdirSync("/dev/fd").length;
  let before: number;
  beforeEach(async () => {
    bench = await startBench({
      console: { dir, frameAncestors: [] },
      limits: { publicRequestsMax: requests },
    });
    before = openFiles();
  });
  const allClosed = async () => {
    const lines = () => bench.logged("request.completed").length;
    await expect.poll(lines).toBe(requests);
    await expect.poll(openFiles).toBeLessThan(before + requests / 10);
  };

  test("over HTTP/2", async () => {
    const socket = rawSocket(bench.url);
    const received = countFrames(socket);
    socket.write(preface(0));
    await expect.poll(() => received(FRAME.settings)).toBeGreaterThan(0);
    for (let id = 1; id < 2 * requests; id += 2) {
      socket.write(headers(id, { ":method": "GET", ":path": "/assets/index-x1.js" }));
      // A varying number of turns apart, so that the reset finds each request at a different point.
      for (let turns = id % 8; turns > 0; turns--) await new Promise(setImmediate);
      socket.write(reset(id, constants.NGHTTP2_CANCEL));
    }
    await allClosed();
    socket.destroy();
  });

  /** Sends requests over connections that the client closes at different points. */
  async function leaveDuringRequests(): Promise<void> {
    const pipelined = 4;
    for (let i = 0; i < requests / pipelined; i++) {
      const socket = rawSocket(bench.url);
      await once(socket, "connect");
      socket.write("GET /assets/index-x1.js HTTP/1.1\r\nhost: a\r\n\r\n".repeat(pipelined));
      for (let turns = i % 16; turns > 0; turns--) await new Promise(setImmediate);
      socket.destroy();
    }
  }

  test("over HTTP/1.1, while the request waited for its turn", async () => {
    await leaveDuringRequests();
    await allClosed();
  });

  test("and a file that can no longer be opened does no harm", async () => {
    // As if, after the file was found, no descriptor were left or a newer build had replaced it.
    const { createReadStream } = fs;
    vi.spyOn(fs, "createReadStream").mockImplementation((path, options) =>
      createReadStream(`${path}.gone`, options),
    );
    const warned: string[] = [];
    const onWarning = ({ message }: Error) => void warned.push(message);
    process.on("warning", onWarning);
    onTestFinished(() => void process.off("warning", onWarning));
    await leaveDuringRequests();
    await allClosed();
    expect((await get("/healthz")).status).toBe(200);
    expect(warned).toEqual([]);
  });
});

test("only origins that the operator lists may embed the console in a frame", async () => {
  bench = await startBench({ console: { dir, frameAncestors: ["https://app.example"] } });
  const { headers } = await get("/");
  expect(headers.get("content-security-policy")).toContain("frame-ancestors https://app.example");
  expect(headers.has("x-frame-options")).toBe(false);
});

test("without the console's files, only the API is served", async () => {
  bench = await startBench();
  expect(isConsoleThere(dir)).toBe(true);
  expect(isConsoleThere(join(dir, "assets"))).toBe(false);
  expect((await get("/")).status).toBe(404);
  expect((await get("/healthz")).status).toBe(200);
});

async function sendPath(path: string): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(bench.url);
  return await new Promise((resolve, reject) => {
    request({ hostname, port, path }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    })
      .on("error", reject)
      .end();
  });
}
