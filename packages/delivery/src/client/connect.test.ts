import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StartError } from "@posthaste/runtime";
import type { Connection } from "@temporalio/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { connectTemporal } from "./connect.ts";
import { askTemporal } from "./is-temporal-there.ts";
import { temporalOptions } from "./temporal-options.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "posthaste-connect-"));
  // Otherwise the profile file of the user who runs the tests would apply.
  await file("[profile.default]");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true, force: true });
});

async function file(text: string): Promise<void> {
  await writeFile(join(dir, "temporal.toml"), text);
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

const KEY = "-----BEGIN PRIVATE KEY----- secret";

test.each<[string, Readonly<Record<string, string>>, RegExp]>([
  ["an API key with a line break", { TEMPORAL_API_KEY: "secret\n" }, /^the API key .*such as a line break$/],
  ["an address with a password", { TEMPORAL_ADDRESS: "me:secret@h:1" }, /^the address .*: give HOST:PORT$/],
  [
    "a key for an address",
    { TEMPORAL_ADDRESS: `eyJ.secret${"x".repeat(99)}.x` },
    /^the address .*HOST:PORT$/,
  ],
  ["a header with a line break", { TEMPORAL_GRPC_META_X: "secret\n" }, /^the header x .*line break$/],
  ["a name that is not a header's", { "TEMPORAL_GRPC_META_A SECRET": "x" }, /^a header .* has a name that/],
  ["a header of bytes", { TEMPORAL_GRPC_META_SECRET_BIN: "x" }, /^a header .* has a name that gRPC/],
  [
    "a key where its path belongs",
    { TEMPORAL_TLS_CLIENT_CERT_PATH: "/etc/hostname", TEMPORAL_TLS_CLIENT_KEY_PATH: KEY },
    /^a file of .* cannot be read \(ENOENT\)$/,
  ],
  [
    "a malformed certificate",
    { TEMPORAL_TLS_CLIENT_CERT_DATA: "secret", TEMPORAL_TLS_CLIENT_KEY_DATA: "secret" },
    /^TEMPORAL_TLS_CLIENT_… is no certificate with its key in PEM$/,
  ],
  [
    "a certificate without its key",
    { TEMPORAL_TLS_CLIENT_CERT_DATA: "secret" },
    /^TEMPORAL_TLS_CLIENT_CERT_… and TEMPORAL_TLS_CLIENT_KEY_… need each other$/,
  ],
  ["a key without its certificate", { TEMPORAL_TLS_CLIENT_KEY_DATA: KEY }, /_KEY_… need each other$/],
  [
    "an authority that is none",
    { TEMPORAL_TLS_SERVER_CA_CERT_DATA: "secret" },
    /^TEMPORAL_TLS_SERVER_CA_CERT_… holds no certificate in PEM, or a damaged one$/,
  ],
  ["TLS that is neither on nor off", { TEMPORAL_TLS: "secret" }, /^TEMPORAL_TLS must be true or false$/],
  [
    "a key for a profile",
    { TEMPORAL_PROFILE: `eyJ.secret${"x".repeat(99)}` },
    /^the file .*temporal\.toml \(TEMPORAL_CONFIG_FILE\) lacks the profile that TEMPORAL_PROFILE names$/,
  ],
])("%s is refused without quoting it", (_what, env, problem) => {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const message = refusal();
  expect(message.replace("Temporal's settings: ", "")).toMatch(problem);
  expect(message).not.toMatch(/secret|PRIVATE/i);
});

test.each<[string, string, RegExp]>([
  ["that is not TOML", '[profile.default]\napi_key = "secret', /is not valid TOML \(line 2, column \d+\)$/],
  ["without profiles", "", /has no profiles/],
  ["whose profile is a text", '[profile]\ndefault = "secret"', /has no profiles, .* wrong type/],
  ["whose address is a table", "[profile.default]\naddress = { secret = 1 }", /^the address .* HOST:PORT$/],
  ["whose address is a number", "[profile.default]\naddress = 7233", /^the address .* HOST:PORT$/],
  ["whose namespace is a list", '[profile.default]\nnamespace = ["secret"]', /^the namespace .* not a text/],
  ["whose server has a number", "[profile.default.tls]\nserver_name = 5", /^the server's name .* not a text/],
])("a profile file %s is refused without quoting it", async (_what, text, problem) => {
  await file(text);
  vi.stubEnv("TEMPORAL_GRPC_META_X", "y");
  const message = refusal();
  expect(message.replace("Temporal's settings: ", "")).toMatch(problem);
  expect(message).not.toContain("secret");
});

test.each(["localhost", "127.0.0.1:7233", "[::1]:7233", "a_b.example.:443", "xn--bcher-kva.example:1"])(
  "the address %s is taken",
  (address) => {
    vi.stubEnv("TEMPORAL_ADDRESS", address);
    expect(temporalOptions().connectionOptions?.address).toBe(address);
  },
);

test("a profile that is not there is named, and so is the file that lacks it", () => {
  vi.stubEnv("TEMPORAL_PROFILE", "production");
  expect(refusal()).toBe(
    `Temporal's settings: the file ${join(dir, "temporal.toml")} (TEMPORAL_CONFIG_FILE) lacks the profile ` +
      '"production" that TEMPORAL_PROFILE names',
  );
  vi.stubEnv("TEMPORAL_CONFIG_FILE", join(dir, "nowhere.toml"));
  expect(refusal()).toMatch(/: the file of TEMPORAL_CONFIG_FILE does not exist, so it lacks the profile/);
  vi.stubEnv("TEMPORAL_CONFIG_FILE", "");
  expect(refusal()).toMatch(/^Temporal's settings: .* lacks the profile "production" that TEMPORAL_PROFILE/);
});

test("the default profile may be named, and need not be there", () => {
  vi.stubEnv("TEMPORAL_PROFILE", "default");
  vi.stubEnv("TEMPORAL_CONFIG_FILE", join(dir, "nowhere.toml"));
  expect(temporalOptions()).toEqual({ connectionOptions: {} });
});

test("an empty variable counts as not set", () => {
  vi.stubEnv("TEMPORAL_ADDRESS", "");
  vi.stubEnv("TEMPORAL_API_KEY", "");
  vi.stubEnv("TEMPORAL_NAMESPACE", "");
  expect(temporalOptions()).toEqual({ connectionOptions: {} });
});

test("calls to this machine do not go through the proxy of the environment", async () => {
  let connections = 0;
  const proxy = createServer((socket) => {
    connections += 1;
    socket.destroy();
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  vi.stubEnv("http_proxy", `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
  vi.stubEnv("no_proxy", "");
  const client = connectTemporal({ connectionOptions: { address: "127.0.0.1:1" } });
  await expect(askTemporal(client, 500)).rejects.toThrow();
  await client.connection.close();
  proxy.close();
  expect(connections).toBe(0);
});

test("a client tries again every few seconds, however long Temporal was away", async () => {
  const client = connectTemporal({ connectionOptions: { address: "temporal.example:7233" } });
  // gRPC's own pauses grow to two minutes; that is too long to wait for in a test.
  const { channelArgs } = (client.connection as Connection).options;
  expect(channelArgs["grpc.max_reconnect_backoff_ms"]).toBeLessThanOrEqual(5_000);
  await client.connection.close();
});
