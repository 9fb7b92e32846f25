import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Complaint, runMain } from "@posthaste/runtime/terminal";

const FOLDER = fileURLToPath(new URL("../../packages/delivery/test/histories/", import.meta.url));
const USAGE = `npm run histories -- LABEL

Records a history for each path through each workflow, in the folder LABEL (a date) of
packages/delivery/test/histories. The replay tests run all recorded histories against the current code.`;

await runMain(async () => {
  const [label, ...extra] = process.argv.slice(2);
  if (label === undefined || extra.length > 0 || !/^\w[\w.-]*$/.test(label)) throw new Complaint(USAGE);
  const { recordHistories } = await import("./histories/record.ts");
  const folder = join(FOLDER, label);
  mkdirSync(folder, { recursive: true });
  for (const [name, history] of Object.entries(await recordHistories())) {
    writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(history)}\n`);
    console.log(`recorded ${label}/${name}`);
  }
  return 0;
});
