import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseEnv } from "node:util";
import { temporalOptions } from "@posthaste/delivery/client";
import { readConfig, unknownSettings } from "@posthaste/runtime";
import { afterEach, expect, test, vi } from "vitest";
import { API_SETTINGS } from "../../../services/api/src/config.ts";
import { WORKER_SETTINGS } from "../../../services/worker/src/config.ts";
import { repositoryFiles } from "../repository/files.ts";
import { generatedDocuments } from "./documents.ts";
import { documentedSettings } from "./settings.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

afterEach(() => vi.unstubAllEnvs());

test.each(generatedDocuments())(
  "$path is up to date with the code (otherwise run npm run generate)",
  async ({ path, text }) => {
    expect(await readFile(join(root, path), "utf8")).toBe(text);
  },
);

test("a setting that both services read is listed once", () => {
  const settings = documentedSettings();
  expect(settings.find(({ name }) => name === "DATABASE_URL")?.readBy).toEqual(["API", "worker"]);
  expect(new Set(settings.map(({ name }) => name)).size).toBe(settings.length);
});

test("every variable of ours that the code reads is known, so that no process refuses it", () => {
  const read = /\benv(?:\.|\[")(POSTHASTE_[A-Z0-9_]+)/g;
  const names = repositoryFiles()
    .filter(({ path }) => /\.(ts|mjs)$/.test(path) && !/\.test\.ts$/.test(path))
    .flatMap(({ text }) => [...text.matchAll(read)].map(([, name = ""]) => name));
  expect(names).not.toEqual([]);
  expect(unknownSettings(Object.fromEntries(names.map((name) => [name, "1"])))).toEqual([]);
});

test("both services take every line of .env.example, since a line that is commented out shows the default", async () => {
  const text = await readFile(join(root, ".env.example"), "utf8");
  const env = {
    ...parseEnv(text.replaceAll(/^# (?=[A-Z_]+=)/gm, "")),
    DATABASE_URL: "sqlite:posthaste.db",
    POSTHASTE_SECRET_KEYS: `k1:${Buffer.alloc(32, 1).toString("base64")}`,
  };
  expect(Object.keys(env)).toContain("TEMPORAL_PROFILE");
  const given = { DATABASE_URL: env.DATABASE_URL, POSTHASTE_SECRET_KEYS: env.POSTHASTE_SECRET_KEYS };
  for (const settings of [API_SETTINGS, WORKER_SETTINGS]) {
    expect(readConfig(settings, env, unknownSettings(env))).toEqual(readConfig(settings, given));
  }
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  // No profile file of the user who runs the tests applies.
  vi.stubEnv("TEMPORAL_CONFIG_FILE", join(root, "no-such-file.toml"));
  expect(temporalOptions()).toEqual({
    connectionOptions: { address: "localhost:7233" },
    namespace: "default",
  });
});
