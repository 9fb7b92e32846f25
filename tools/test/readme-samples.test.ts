import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { repositoryFiles } from "../src/repository/files.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const run = promisify(execFile);

/** What the samples leave to their reader. */
const READERS_OWN = `
declare const posthaste: import("@posthaste/client").PosthasteClient;
declare const invoice: { readonly id: string; readonly version: number };
declare const token: string;
declare const targetUrl: string;
declare function askForAnotherUrl(fields: readonly { readonly field: string }[]): unknown;
declare const request: Request;
declare const rawBody: Uint8Array;
declare const url: string;
declare const headers: Record<string, string>;
declare const body: Uint8Array<ArrayBuffer>;
declare const accountId: import("@posthaste/domain").AccountId;
`;

let folder: string | undefined;
afterEach(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true });
});

test("every sample in TypeScript that a Markdown file shows compiles in a strict project", async () => {
  folder = await mkdtemp(join(tmpdir(), "posthaste-samples-"));
  const samples = repositoryFiles()
    .filter(({ path }) => path.endsWith(".md"))
    .flatMap(({ path, text }) => samplesIn(text).map((sample) => ({ path, sample })));
  expect(samples.length).toBeGreaterThan(4);
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  await writeFile(join(folder, "readers-own.d.ts"), READERS_OWN);
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(STRICT));
  for (const [index, { path, sample }] of samples.entries()) {
    const place = join(folder, path);
    await mkdir(place, { recursive: true });
    await writeFile(join(place, `${index}.ts`), asModule(sample));
  }
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { stdout } = await run(process.execPath, [tsc, "-p", folder], { cwd: folder }).catch(
    (error) => error,
  );
  expect(stdout).toBe("");
});

const STRICT = {
  extends: join(root, "tsconfig.base.json"),
  compilerOptions: {
    ...{ noEmit: true, declaration: false, sourceMap: false, customConditions: ["source"] },
    ...{ lib: ["ES2024", "DOM"], typeRoots: [join(root, "node_modules/@types")] },
    // Beyond `strict`, for our own code: a sample shows a part, and most projects write `process.env.NAME`.
    ...{ noUnusedLocals: false, noImplicitReturns: false, noPropertyAccessFromIndexSignature: false },
  },
  include: ["."],
};

function samplesIn(markdown: string): string[] {
  return [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, sample = ""]) => sample);
}

/** Samples may `return`, and use names that are declared around them. */
function asModule(sample: string): string {
  const imports = sample.match(/^import .*;$/gm) ?? [];
  const rest = sample.replaceAll(/^import .*;\n/gm, "");
  return [...imports, "export async function sample() {", rest, "}"].join("\n");
}
