import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Complaint, runMain } from "@posthaste/runtime/terminal";

const FOLDER = fileURLToPath(new URL("../../packages/delivery/test/histories/", import.meta.url));
const USAGE = `npm run histories -- LABEL

Records what every workflow does, in each way it can go, into the folder LABEL (a date) of the delivery package's
recorded histories. Its tests replay all of them against the code of the day.`;

await runMain(async () => {
  const [label, ...more] = process.argv.slice(2);
  if (label === undefined || more.length > 0 || !/^\w[\w.-]*$/.test(label)) throw new Complaint(USAGE);
  const { recordHistories } = await import("./histories/record.ts");
  const folder = join(FOLDER, label);
  mkdirSync(folder, { recursive: true });
  for (const [name, history] of Object.entries(await recordHistories())) {
    writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(history)}\n`);
    console.log(`recorded ${label}/${name}`);
  }
  return 0;
});
