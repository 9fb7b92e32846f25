export { type Finding, findingsFrom } from "./findings.ts";
export { life } from "./main.ts";
export { runLife } from "./run-life.ts";
