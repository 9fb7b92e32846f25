import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { findProgram, installFromDebian, NotInstallable } from "./debian.ts";
import { until } from "./poll.ts";
import { quietPort } from "./ports.ts";
import { makeQuickDir } from "./quick-dir.ts";

const run = promisify(execFile);

/** A MySQL or MariaDB server for tests. */
export type MysqlServer = {
  /** `mysql://USER@HOST:PORT`, without a database; the user may create databases. */
  readonly url: string;
  /** Ends the server and removes its data, if this process started it. */
  release(): Promise<void>;
};

const STARTS_WITHIN_MS = 60_000;
const GREETS_WITHIN_MS = 5_000;
const DEBIAN_PACKAGES = ["mariadb-server-core", "mariadb-client-core"];

/**
 * Returns the server at `POSTHASTE_TEST_MYSQL_URL`, or starts one; see {@link startOwnMysql}.
 *
 * @throws Error whose message is one line that says what to install or set
 */
export async function acquireMysql(progress: (line: string) => void = () => {}): Promise<MysqlServer> {
  const given = process.env["POSTHASTE_TEST_MYSQL_URL"];
  if (given !== undefined && given !== "") return { url: given.replace(/\/+$/, ""), release: async () => {} };
  return await startOwnMysql({ progress });
}

/** A server that only the caller uses, and that can be made to fail. */
export type OwnMysqlServer = MysqlServer & {
  /** Kills the server (SIGKILL) and waits until its process has exited. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port, and waits until it answers. */
  restart(): Promise<void>;
  /** Freezes the process (SIGSTOP): its sockets stay open and answer nothing. */
  pause(): void;
  /** Continues a frozen process. */
  resume(): void;
};

/**
 * Starts the machine's `mariadbd` or `mysqld` with new data on a free loopback port. If neither exists, it
 * first installs MariaDB from Debian, as root.
 *
 * @param options.durable if true, commits survive a power cut, at the cost of speed. Default: false
 * @param options.args further arguments of the server, which override the others. Default: none
 * @throws Error whose message is one line that says what to install or set
 */
export async function startOwnMysql(
  options: { durable?: boolean; args?: readonly string[]; progress?: (line: string) => void } = {},
): Promise<OwnMysqlServer> {
  const { durable = false, args: further = [], progress = () => {} } = options;
  const server = findProgram("mariadbd") ?? findProgram("mysqld") ?? (await install(progress));
  const dir = durable ? mkdtempSync(join(tmpdir(), "posthaste-mysql-")) : makeQuickDir("mysql");
  const data = join(dir, "data");
  const user = process.getuid?.() === 0 ? ["--user=root"] : [];
  const isMaria = (await run(server, ["--version"])).stdout.includes("MariaDB");
  if (isMaria) {
    const installDb = findProgram("mariadb-install-db") ?? findProgram("mysql_install_db");
    if (installDb === undefined)
      throw new Error(`${server} exists, but mariadb-install-db does not: ${WAYS_OUT}`);
    const options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"];
    // The installation deletes stale files from its temporary folder. In a shared folder, concurrent
    // installations delete each other's files and fail.
    options.push(`--tmpdir=${dir}`);
    await run(installDb, ["--no-defaults", ...user, `--datadir=${data}`, ...options]);
  } else {
    await run(server, ["--no-defaults", ...user, `--datadir=${data}`, "--initialize-insecure"]);
  }
  const port = await quietPort();
  const args = [
    ...["--no-defaults", ...user, `--datadir=${data}`, `--socket=${join(dir, "socket")}`],
    ...["--bind-address=127.0.0.1", `--port=${port}`, `--pid-file=${join(dir, "pid")}`],
    // A starting server deletes stale files from its temporary folder; in a shared folder, another server
    // may use them.
    `--tmpdir=${dir}`,
    // Tests need many small databases quickly, and most need no durability.
    ...[`--innodb-flush-log-at-trx-commit=${durable ? 1 : 2}`, "--innodb-buffer-pool-size=128M"],
    ...["--max-connections=300", ...(isMaria ? [] : ["--mysqlx=OFF"])],
    ...further,
  ];
  const url = `mysql://root@127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  const launch = async () => {
    let output = "";
    child = spawn(server, args, { stdio: ["ignore", "ignore", "pipe"] });
    child.stderr?.on("data", (chunk: Buffer) => {
      output = `${output}${chunk}`.slice(-2_000);
    });
    try {
      await untilItAnswers(child, port);
    } catch (error) {
      throw new Error(`${server} did not start: ${output.trim().split("\n").at(-1)}`, { cause: error });
    }
  };
  const kill = async () => {
    if (child !== undefined) await end(child);
  };
  // An interrupted test run exits without calling `release`.
  const endWithProcess = () => {
    child?.kill("SIGKILL");
    rmSync(dir, { recursive: true, force: true });
  };
  process.on("exit", endWithProcess);
  const release = async () => {
    await kill();
    process.off("exit", endWithProcess);
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await launch();
  } catch (error) {
    await release();
    throw error;
  }
  return {
    url,
    release,
    kill,
    restart: launch,
    pause: () => void child?.kill("SIGSTOP"),
    resume: () => void child?.kill("SIGCONT"),
  };
}

async function untilItAnswers(child: ChildProcess, port: number): Promise<void> {
  const answers = async () => {
    if (child.exitCode !== null) throw new Error("it has ended");
    return await greets(port);
  };
  await until(answers, { withinMs: STARTS_WITHIN_MS }, "it does not answer");
}

/**
 * Returns whether the server sends its greeting, which it does as soon as it is usable. No driver is used,
 * because the tests' setup runs before any build.
 */
async function greets(port: number): Promise<boolean> {
  const socket = connect({ host: "127.0.0.1", port, timeout: GREETS_WITHIN_MS });
  const greeting = new Promise<boolean>((resolve) => {
    socket.once("data", () => resolve(true));
    for (const event of ["error", "timeout", "close"]) socket.once(event, () => resolve(false));
  });
  return await greeting.finally(() => socket.destroy());
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exit;
}

const WAYS_OUT =
  "install mariadb-server or mysql-server, or set POSTHASTE_TEST_MYSQL_URL=mysql://USER:PASSWORD@HOST:PORT";

async function install(progress: (line: string) => void): Promise<string> {
  try {
    await installFromDebian(DEBIAN_PACKAGES, progress);
  } catch (error) {
    const reason = error instanceof NotInstallable ? "this machine has none" : "it could not be installed";
    throw new Error(`tests need a MySQL server, and ${reason}: ${WAYS_OUT}`, { cause: error });
  }
  const server = findProgram("mariadbd");
  if (server === undefined) throw new Error(`${DEBIAN_PACKAGES[0]} installed no mariadbd: ${WAYS_OUT}`);
  return server;
}
