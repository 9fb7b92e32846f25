import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Stack, startStack } from "@posthaste/stack";
import {
  certificateFor,
  type OwnMysqlServer,
  type Receiver,
  startOwnMysql,
  startReceiver,
  TEST_SECRET_KEYS,
} from "@posthaste/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { endStack } from "./end-stack.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

let dir: string;
let mysql: OwnMysqlServer;
let receiver: Receiver;
let stack: Stack;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "posthaste-tls-"));
  const { key, cert } = await certificateFor("127.0.0.1");
  const [keyPath, certPath] = [join(dir, "key.pem"), join(dir, "cert.pem")];
  writeFileSync(keyPath, key);
  writeFileSync(certPath, cert);
  mysql = await startOwnMysql({
    args: ["--require-secure-transport=ON", `--ssl-cert=${certPath}`, `--ssl-key=${keyPath}`],
  });
  receiver = await startReceiver();
  const mysqlUrl = `${mysql.url}?ssl-mode=VERIFY_IDENTITY&ssl-ca=${certPath}`;
  stack = await startStack({ database: "mysql", mysqlUrl });
}, 120_000);
afterAll(async () => {
  await endStack(stack);
  await mysql.release();
  await receiver.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Runs a program of the product on a database, and returns how it ended. */
function run(program: "api" | "worker" | "operator", DATABASE_URL: string, args: readonly string[] = []) {
  const options = ["--disable-warning=ExperimentalWarning", `${root}services/${program}/dist/main.js`];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...options, ...args], {
    env: { DATABASE_URL, POSTHASTE_SECRET_KEYS: TEST_SECRET_KEYS },
    encoding: "utf8",
    timeout: 60_000,
  });
  // The services write lines of the log instead.
  const said = program === "operator" ? stderr.trim() : JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
  return { status, out: stdout, said };
}

describe("a MySQL server that takes nobody in clear text", () => {
  test("serves API and worker, which deliver, and the operator's commands", async () => {
    await stack.subscribe(receiver.url);
    await stack.client.events.ingestEvent({
      eventType: "invoice_sent",
      snapshot: { case: "dataJson", value: "{}" },
    });
    await receiver.waitFor(1, { timeoutMs: 60_000 });
    for (const child of [...stack.apis, ...stack.workers]) {
      expect(child.log()).not.toContain("database.clear_text");
    }
    expect(run("operator", stack.databaseUrl, ["installation"]).out.trim()).toBe(stack.installation);
  }, 90_000);

  test.each([
    ["api", []],
    ["worker", []],
    ["operator", ["installation"]],
  ] as const)("ends the %s at its start in one line if the URL asks for no TLS", (program, args) => {
    const { status, said } = run(
      program,
      Object.assign(new URL(stack.databaseUrl), { search: "" }).href,
      args,
    );
    expect(status).toBe(1);
    const problem =
      "the database cannot be reached: the server turned the user away (ER_ACCESS_DENIED_ERROR): check user and password in DATABASE_URL, and ssl-mode if it demands TLS or a certificate";
    expect(said).toEqual(
      program === "operator"
        ? `posthaste: ${problem}`
        : expect.objectContaining({
            event: "process.not_started",
            error: expect.objectContaining({ message: problem }),
          }),
    );
  });
});
