import { basename } from "node:path";
import type { RepositoryFile } from "./files.ts";

/**
 * Words that are vague or mean something else in other systems. `message` is allowed, for errors and
 * protobuf.
 */
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

/** Names from third-party interfaces. */
const TERMS = new Set([
  "taskQueue",
  "TASK_QUEUE",
  "maxConcurrentActivityTaskExecutions",
  "maxConcurrentWorkflowTaskExecutions",
  "sessionManager",
]);

/** The catalogue is exempt: it uses the names of its event types, such as `task_created`. */
const CATALOGUE = "packages/domain/src/catalog/";

/** Names are introduced by declarations, and by properties with a type or value. */
const DECLARATION = /\b(?:const|let|function\*?|class|type|interface|enum)\s+([A-Za-z_$][\w$]*)/g;
const PROPERTY = /^\s*(?:readonly\s+)?([A-Za-z_$][\w$]*)\??:\s/gm;

/** Lists the names that contain a banned word. */
export function bannedNames(file: RepositoryFile): readonly string[] {
  if (file.path.startsWith(CATALOGUE)) return [];
  const fileName = basename(file.path).replace(/\..*$/, "");
  const code = file.text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  const names = [DECLARATION, PROPERTY].flatMap((pattern) =>
    [...code.matchAll(pattern)].map(([, name = ""]) => name),
  );
  return [...new Set([fileName, ...names])].flatMap((name) => {
    const word = wordsOf(name).find((candidate) => BANNED.has(candidate));
    return word === undefined || TERMS.has(name) ? [] : [`${file.path}: "${name}" contains "${word}"`];
  });
}

/** Splits names such as `retryNow`, `TASK_QUEUE` and `kebab-case` into lower-case words. */
function wordsOf(name: string): readonly string[] {
  return name
    .replaceAll(/([a-z\d])([A-Z])/g, "$1 $2")
    .split(/[^A-Za-z\d]+/)
    .map((word) => word.toLowerCase());
}
