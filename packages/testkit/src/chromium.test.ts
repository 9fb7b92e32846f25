import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { chromiumPath } from "./chromium.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "posthaste-chromium-"));
  writeFileSync(join(dir, "chromium-browser"), "");
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

test("the browser that CHROMIUM_PATH names is taken, or one on PATH", async () => {
  vi.stubEnv("PATH", dir);
  vi.stubEnv("CHROMIUM_PATH", "");
  expect(await chromiumPath()).toBe(join(dir, "chromium-browser"));
  vi.stubEnv("CHROMIUM_PATH", process.execPath);
  expect(await chromiumPath()).toBe(process.execPath);
});

test("a CHROMIUM_PATH that leads nowhere is one line that names the way out", async () => {
  vi.stubEnv("CHROMIUM_PATH", join(dir, "nothing"));
  await expect(chromiumPath()).rejects.toThrow(
    /^tests need a browser, and CHROMIUM_PATH names none: install chromium, or set CHROMIUM_PATH to a Chromium or Chrome$/,
  );
});
