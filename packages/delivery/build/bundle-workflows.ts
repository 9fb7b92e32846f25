import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bundleWorkflows } from "../src/worker/workflow-code.ts";

const dist = new URL("../dist/", import.meta.url);
const { code } = await bundleWorkflows(fileURLToPath(new URL("workflows/index.js", dist)));
writeFileSync(new URL("workflow-bundle.js", dist), code);
