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

/** A server that speaks MySQL's protocol, for tests. */
export type MysqlServer = {
  /** With the right to create databases, and without one chosen: `mysql://USER@HOST:PORT`. */
  readonly url: string;
  /** Ends it, if it was started here, and removes its data. */
  release(): Promise<void>;
};

const STARTS_WITHIN_MS = 60_000;
const GREETS_WITHIN_MS = 5_000;
const DEBIAN_PACKAGES = ["mariadb-server-core", "mariadb-client-core"];

/**
 * Gets a server: the one that `POSTHASTE_TEST_MYSQL_URL` names; else one of the machine's own programs,
 * started with data of its own on a free loopback port; else the same after installing it from Debian, where
 * that may be done.
 *
 * @throws Error with one line that names the ways out; it never goes on without a server
 */
export async function acquireMysql(progress: (line: string) => void = () => {}): Promise<MysqlServer> {
  const given = process.env["POSTHASTE_TEST_MYSQL_URL"];
  if (given !== undefined && given !== "") return { url: given.replace(/\/+$/, ""), release: async () => {} };
  return await startOwnMysql({ progress });
}

/** A server of the caller's own, that can be made to fail. */
export type OwnMysqlServer = MysqlServer & {
  /** Ends it without any chance to tidy up, and waits until it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port, and waits until it answers. */
  restart(): Promise<void>;
  /** Freezes it: its sockets stay open and answer nothing. */
  pause(): void;
  resume(): void;
};

/**
 * Starts one of the machine's own programs, installing it from Debian where it is missing and that may be
 * done.
 *
 * @param options.durable keeps what was committed through a power cut, too; slower
 */
export async function startOwnMysql(
  options: { durable?: boolean; progress?: (line: string) => void } = {},
): Promise<OwnMysqlServer> {
  const { durable = false, progress = () => {} } = options;
  const server = findProgram("mariadbd") ?? findProgram("mysqld") ?? (await install(progress));
  const dir = durable ? mkdtempSync(join(tmpdir(), "posthaste-mysql-")) : makeQuickDir("mysql");
  const data = join(dir, "data");
  const user = process.getuid?.() === 0 ? ["--user=root"] : [];
  const isMaria = (await run(server, ["--version"])).stdout.includes("MariaDB");
  if (isMaria) {
    const installDb = findProgram("mariadb-install-db") ?? findProgram("mysql_install_db");
    if (installDb === undefined)
      throw new Error(`${server} is there, but not mariadb-install-db; ${WAYS_OUT}`);
    const options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"];
    // It, too, deletes what it takes for leftovers, and fails where another run's installation has deleted
    // its own.
    options.push(`--tmpdir=${dir}`);
    await run(installDb, ["--no-defaults", ...user, `--datadir=${data}`, ...options]);
  } else {
    await run(server, ["--no-defaults", ...user, `--datadir=${data}`, "--initialize-insecure"]);
  }
  const port = await quietPort();
  const args = [
    ...["--no-defaults", ...user, `--datadir=${data}`, `--socket=${join(dir, "socket")}`],
    ...["--bind-address=127.0.0.1", `--port=${port}`, `--pid-file=${join(dir, "pid")}`],
    // A server that starts deletes what it takes for leftovers where temporary tables are: another one may
    // use them.
    `--tmpdir=${dir}`,
    // Tests want many small databases, quickly, and most of them none back after a power cut.
    ...[`--innodb-flush-log-at-trx-commit=${durable ? 1 : 2}`, "--innodb-buffer-pool-size=128M"],
    ...["--max-connections=300", ...(isMaria ? [] : ["--mysqlx=OFF"])],
  ];
  const url = `mysql://root@127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  const launch = async () => {
    let said = "";
    child = spawn(server, args, { stdio: ["ignore", "ignore", "pipe"] });
    child.stderr?.on("data", (chunk: Buffer) => {
      said = `${said}${chunk}`.slice(-2_000);
    });
    try {
      await untilItAnswers(child, port);
    } catch (error) {
      throw new Error(`${server} did not start: ${said.trim().split("\n").at(-1)}`, { cause: error });
    }
  };
  const kill = async () => {
    if (child !== undefined) await end(child);
  };
  // A run of tests that is stopped ends without a word to whoever holds the server.
  const endWithUs = () => {
    child?.kill("SIGKILL");
    rmSync(dir, { recursive: true, force: true });
  };
  process.on("exit", endWithUs);
  const release = async () => {
    await kill();
    process.off("exit", endWithUs);
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
 * A server speaks first, as soon as it can be used. Asked without a driver: the tests' setup runs before any
 * build.
 */
async function greets(port: number): Promise<boolean> {
  const socket = connect({ host: "127.0.0.1", port, timeout: GREETS_WITHIN_MS });
  const answer = new Promise<boolean>((resolve) => {
    socket.once("data", () => resolve(true));
    for (const event of ["error", "timeout", "close"]) socket.once(event, () => resolve(false));
  });
  return await answer.finally(() => socket.destroy());
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

const WAYS_OUT =
  "install mariadb-server or mysql-server, or set POSTHASTE_TEST_MYSQL_URL=mysql://USER:PASSWORD@HOST:PORT";

async function install(progress: (line: string) => void): Promise<string> {
  try {
    await installFromDebian(DEBIAN_PACKAGES, progress);
  } catch (error) {
    const reason =
      error instanceof NotInstallable ? "there is none on this machine" : "it could not be installed";
    throw new Error(`tests need a MySQL server, and ${reason}: ${WAYS_OUT}`, { cause: error });
  }
  const server = findProgram("mariadbd");
  if (server === undefined) throw new Error(`${DEBIAN_PACKAGES[0]} brought no mariadbd; ${WAYS_OUT}`);
  return server;
}
