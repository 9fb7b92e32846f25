export { linesOf } from "./checks/findings.ts";
export { chaos } from "./main.ts";
export { runChaos } from "./run-chaos.ts";
export { chaosTable } from "./table.ts";
