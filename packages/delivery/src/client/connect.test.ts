import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StartError } from "@posthaste/runtime";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { connectTemporal, temporalOptions } from "./connect.ts";
import { askTemporal } from "./is-temporal-there.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "posthaste-connect-"));
  // Without it, the profile file of the user who runs the tests would apply.
  await profile("");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true, force: true });
});

async function profile(lines: string): Promise<void> {
  await writeFile(join(dir, "temporal.toml"), `[profile.default]\n${lines}\n`);
  vi.stubEnv("TEMPORAL_CONFIG_FILE", join(dir, "temporal.toml"));
}

function refusal(): string {
  try {
    connectTemporal(temporalOptions());
  } catch (error) {
    expect(error).toBeInstanceOf(StartError);
    return (error as Error).message;
  }
  throw new Error("nothing was thrown");
}

test("a malformed address is refused without quoting it", () => {
  vi.stubEnv("TEMPORAL_ADDRESS", "me:secret-key@127.0.0.1:7233");
  expect(refusal()).toMatch(/the address .* is malformed: give HOST:PORT$/);
  expect(refusal()).not.toContain("secret-key");
});

test("an API key that a header cannot carry is refused without quoting it", () => {
  vi.stubEnv("TEMPORAL_API_KEY", "secret-key\n");
  expect(refusal()).toMatch(/the API key \(TEMPORAL_API_KEY, .*a character that a header cannot carry/);
  expect(refusal()).not.toContain("secret-key");
});

test("a header that gRPC cannot carry is refused without quoting it", () => {
  vi.stubEnv("TEMPORAL_GRPC_META_AUTHORIZATION", "Bearer secret-key\n");
  expect(refusal()).toMatch(/the header authorization .* a header cannot carry/);
  expect(refusal()).not.toContain("secret-key");
});

test("a profile file that is not TOML is refused by line and column, without quoting it", async () => {
  await profile('api_key = "secret-key');
  expect(refusal()).toMatch(
    /^Temporal's settings cannot be used: Invalid TOML document.*\(line 2, column \d+\)/,
  );
  expect(refusal()).not.toContain("secret-key");
});

test("a missing certificate is refused with its path", () => {
  vi.stubEnv("TEMPORAL_TLS_CLIENT_CERT_PATH", join(dir, "nowhere.pem"));
  vi.stubEnv("TEMPORAL_TLS_CLIENT_KEY_PATH", join(dir, "nowhere.key"));
  expect(refusal()).toMatch(/ENOENT: .*nowhere\.(pem|key)'; check the variables TEMPORAL_…/);
});

test("a malformed certificate is refused without quoting it", () => {
  vi.stubEnv("TEMPORAL_TLS_CLIENT_CERT_DATA", "secret-key");
  vi.stubEnv("TEMPORAL_TLS_CLIENT_KEY_DATA", "secret-key");
  expect(refusal()).toMatch(/^Temporal's settings cannot be used: /);
  expect(refusal()).not.toContain("secret-key");
});

test("calls to this machine do not go through the proxy of the environment", async () => {
  const proxied: string[] = [];
  const proxy = createServer((socket) => {
    proxied.push("a connection");
    socket.destroy();
  }).listen(0, "127.0.0.1");
  await vi.waitFor(() => expect(proxy.address()).not.toBeNull());
  const { port } = proxy.address() as { port: number };
  vi.stubEnv("http_proxy", `http://127.0.0.1:${port}`);
  vi.stubEnv("no_proxy", "");
  const client = connectTemporal({ connectionOptions: { address: "127.0.0.1:1" } });
  await expect(askTemporal(client, 500)).rejects.toThrow();
  await client.connection.close();
  proxy.close();
  expect(proxied).toEqual([]);
});
