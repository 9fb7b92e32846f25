import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Child, createChild } from "@posthaste/stack";
import { accepts } from "@posthaste/testkit";
import { ROOT } from "../../src/repository/files.ts";

const run = promisify(execFile);

/** A receiver of `examples/verify`, and how it is run. */
export type Example = {
  readonly language: string;
  readonly file: string;
  /** A command that prints the runtime's version. It fails if the runtime is not installed, or not whole. */
  readonly version: readonly string[];
  /** The oldest version that the file names: major, minor. */
  readonly oldest: readonly [number, number];
  /** Prepares the file in a folder of its own. Resolves with the command that starts it. */
  command(file: string, dir: string, port: number): Promise<readonly string[]>;
};

/** The receivers whose runtimes every machine of this repository has. */
export const ALWAYS_RUN: readonly string[] = ["Node", "Python"];

const GO_ENV = { GOTOOLCHAIN: "local", GOPROXY: "off", CGO_ENABLED: "0" };

export const EXAMPLES: readonly Example[] = [
  {
    language: "Node",
    file: "node/receiver.mjs",
    version: [process.execPath, "--version"],
    oldest: [20, 0],
    command: async (file) => [process.execPath, file],
  },
  {
    language: "Python",
    file: "python/receiver.py",
    version: ["python3", "--version"],
    oldest: [3, 9],
    command: async (file) => ["python3", file],
  },
  {
    language: "Go",
    file: "go/receiver.go",
    version: ["go", "version"],
    oldest: [1, 22],
    // Built, because `go run` leaves its program running when it is killed.
    async command(file, dir) {
      await run("go", ["build", "-o", "receiver", file], { cwd: dir, env: { ...process.env, ...GO_ENV } });
      return [join(dir, "receiver")];
    },
  },
  {
    language: "PHP",
    file: "php/receiver.php",
    version: ["php", "--version"],
    oldest: [8, 1],
    command: async (file, _dir, port) => ["php", "-S", `127.0.0.1:${port}`, file],
  },
  {
    language: "Ruby",
    file: "ruby/receiver.rb",
    version: ["ruby", "-rwebrick", "--version"],
    oldest: [3, 0],
    command: async (file) => ["ruby", file],
  },
  {
    language: "Java",
    file: "java/Receiver.java",
    // A Java without its compiler cannot run a source file.
    version: ["javac", "-version"],
    oldest: [17, 0],
    command: async (file) => ["java", file],
  },
  {
    language: "C#",
    file: "csharp/Receiver.cs",
    version: ["dotnet", "--version"],
    oldest: [10, 0],
    command: async (file) => ["dotnet", "run", file],
  },
];

/** Returns why an example cannot run on this machine; undefined if it can. */
export async function whyNotRunnable({ version, oldest }: Example): Promise<string | undefined> {
  const [program = "", ...args] = version;
  const wanted = oldest.join(".");
  try {
    const { stdout } = await run(program, args);
    const [major = 0, minor = 0] = /\d+(\.\d+)?/.exec(stdout)?.[0].split(".").map(Number) ?? [];
    const isNewEnough = major > oldest[0] || (major === oldest[0] && minor >= oldest[1]);
    return isNewEnough ? undefined : `needs ${wanted}, and ${program} is ${major}.${minor}`;
  } catch {
    return `needs ${wanted}, and \`${version.join(" ")}\` fails`;
  }
}

/**
 * Creates the process of an example, without starting it.
 *
 * @param secret undefined = its variable is not set
 */
export async function createExample(
  { language, file, command }: Example,
  { dir, port, secret }: { dir: string; port: number; secret: string | undefined },
): Promise<Child> {
  const [program = "", ...args] = await command(join(ROOT, "examples/verify", file), dir, port);
  return createChild({
    name: `the receiver in ${language}`,
    command: program,
    args,
    env: { ...process.env, PORT: String(port), WEBHOOK_SECRET: secret },
    isReady: () => accepts(port),
    logPath: join(dir, `${secret === undefined ? "without-secret" : "receiver"}.log`),
    cwd: dir,
    // `dotnet run` starts the receiver as a process of its own.
    detached: true,
  });
}
