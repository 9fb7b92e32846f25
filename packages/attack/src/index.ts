export { attack } from "./main.ts";
export { ATTACK_KINDS } from "./plan.ts";
export { type AttackRun, runAttack } from "./run-attack.ts";
export { attackTable } from "./table.ts";
