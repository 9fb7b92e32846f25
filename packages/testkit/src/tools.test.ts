import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { chromiumPath, promtoolPath } from "./tools.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "posthaste-tools-"));
  writeFileSync(join(dir, "chromium-browser"), "");
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

test("CHROMIUM_PATH chooses the browser; without it, one on PATH is used", async () => {
  vi.stubEnv("PATH", dir);
  vi.stubEnv("CHROMIUM_PATH", "");
  expect(await chromiumPath()).toBe(join(dir, "chromium-browser"));
  vi.stubEnv("CHROMIUM_PATH", process.execPath);
  expect(await chromiumPath()).toBe(process.execPath);
});

test("a CHROMIUM_PATH without a file is an error of one line that says what to do", async () => {
  vi.stubEnv("CHROMIUM_PATH", join(dir, "nothing"));
  await expect(chromiumPath()).rejects.toThrow(
    /^tests need a browser, and CHROMIUM_PATH does not exist: install chromium, or set CHROMIUM_PATH to a Chromium or Chrome$/,
  );
});

test("PROMTOOL_PATH chooses Prometheus' tool, and what is missing is named by one line", async () => {
  vi.stubEnv("PROMTOOL_PATH", process.execPath);
  expect(await promtoolPath()).toBe(process.execPath);
  vi.stubEnv("PROMTOOL_PATH", join(dir, "nothing"));
  await expect(promtoolPath()).rejects.toThrow(
    /^tests need promtool, and PROMTOOL_PATH does not exist: install prometheus, or set PROMTOOL_PATH$/,
  );
});
