import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildImage, IMAGE_PATH } from "../configuration/image.ts";
import { runCommand } from "./run-command.ts";
import type { Step } from "./step.ts";

const GENERATED = "packages/contracts/src/gen";
const WITHIN_MS = 120_000;

/** Checks that the committed code and image match the contracts. */
export const generatedCodeStep: Step = {
  name: "generated",
  quick: true,
  async run({ root, signal }) {
    const dir = await mkdtemp(join(tmpdir(), "posthaste-generated-"));
    try {
      const { code, output } = await runCommand("buf", ["generate", "-o", dir], {
        root,
        signal,
        withinMs: WITHIN_MS,
      });
      if (code !== 0) return { passed: 0, failed: 1, details: output };
      await buildImage(root, join(dir, "image.binpb"), signal);
      const stale = await differences(join(root, GENERATED), join(dir, GENERATED));
      if (!(await sameFile(join(root, IMAGE_PATH), join(dir, "image.binpb")))) stale.push(IMAGE_PATH);
      if (stale.length === 0) return { passed: 1, failed: 0 };
      return { passed: 0, failed: 1, details: `run \`npm run generate\`; out of date: ${stale.join(", ")}` };
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  },
};

/** Lists the files that differ between two folders or exist in only one, by their path in the folder. */
async function differences(one: string, other: string): Promise<string[]> {
  const names = new Set([...(await filesIn(one)), ...(await filesIn(other))]);
  const different: string[] = [];
  for (const name of names) {
    if (!(await sameFile(join(one, name), join(other, name)))) different.push(name);
  }
  return different.sort();
}

async function filesIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
}

async function sameFile(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map((path) => readFile(path).catch(() => undefined)));
  return a !== undefined && b !== undefined && a.equals(b);
}
