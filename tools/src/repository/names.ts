import { basename } from "node:path";
import type { RepositoryFile } from "./files.ts";

/** Words that say nothing, or mean another thing in somebody's system. `message` is left to errors and protobuf. */
const BANNED = new Set([
  "job",
  "jobs",
  "task",
  "tasks",
  "manager",
  "managers",
  "util",
  "utils",
  "helper",
  "helpers",
  "common",
]);

/** Terms of others, as their interfaces spell them. */
const TERMS = new Set([
  "taskQueue",
  "TASK_QUEUE",
  "maxConcurrentActivityTaskExecutions",
  "maxConcurrentWorkflowTaskExecutions",
  "sessionManager",
]);

/** The catalogue is written in the words of the events it describes, `task_created` among them. */
const CATALOGUE = "packages/domain/src/catalog/";

/** What introduces a name: a declaration, or a property with its type or value. */
const DECLARATION = /\b(?:const|let|function\*?|class|type|interface|enum)\s+([A-Za-z_$][\w$]*)/g;
const PROPERTY = /^\s*(?:readonly\s+)?([A-Za-z_$][\w$]*)\??:\s/gm;

/** A sentence for each name with a banned word in it. */
export function bannedNames(file: RepositoryFile): readonly string[] {
  if (file.path.startsWith(CATALOGUE)) return [];
  const fileName = basename(file.path).replace(/\..*$/, "");
  const code = file.text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  const names = [DECLARATION, PROPERTY].flatMap((pattern) =>
    [...code.matchAll(pattern)].map(([, name = ""]) => name),
  );
  return [...new Set([fileName, ...names])].flatMap((name) => {
    const word = wordsOf(name).find((candidate) => BANNED.has(candidate));
    return word === undefined || TERMS.has(name) ? [] : [`${file.path}: "${name}" says "${word}"`];
  });
}

/** `retryNow`, `TASK_QUEUE` and `kebab-case` in lower-case words. */
function wordsOf(name: string): readonly string[] {
  return name
    .replaceAll(/([a-z\d])([A-Z])/g, "$1 $2")
    .split(/[^A-Za-z\d]+/)
    .map((word) => word.toLowerCase());
}
