import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { askedForHelp, Complaint, runMain } from "@posthaste/runtime/terminal";
import { generatedDocuments } from "./configuration/documents.ts";
import { breakingChanges, buildImage, IMAGE_PATH } from "./configuration/image.ts";
import { runCommand } from "./suite/run-command.ts";
import { listenForStop } from "./terminal/stop-signal.ts";

const ABOUT =
  "Generates the code from the contracts, and the documents from the settings, the transitions and the tests of receivers.";
const root = fileURLToPath(new URL("../../", import.meta.url));
const WITHIN_MS = 120_000;

await runMain(async () => {
  if (askedForHelp("generate", ABOUT, process.argv.slice(2))) return 0;
  const signal = listenForStop();
  const { code, output } = await runCommand("buf", ["generate"], { root, signal, withinMs: WITHIN_MS });
  if (code !== 0)
    throw new Complaint(
      "the code could not be generated from the contracts; buf's output is above",
      output.trim(),
    );
  for (const { path, text } of generatedDocuments()) await writeFile(join(root, path), text);
  if (existsSync(join(root, IMAGE_PATH))) {
    const broken = await breakingChanges(root, signal);
    if (broken !== "") {
      throw new Complaint(
        `the contracts have breaking changes (above): undo them, or if they are intended, remove ${IMAGE_PATH} and generate again`,
        broken,
      );
    }
  }
  await buildImage(root, join(root, IMAGE_PATH), signal);
  return 0;
});
