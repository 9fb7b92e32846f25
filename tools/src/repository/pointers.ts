import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { type RepositoryFile, ROOT } from "./files.ts";

/** A repository path in prose: it begins with one of the top-level folders. */
const PATH = /(?<![\w/.@-])(?:packages|services|tools|proto|docs|\.ci)\/[\w./-]*[\w/]/g;
const LINK = /\]\(([^)\s]+)\)/g;
/** Only `npm run NAME` names a script of the repository; `npm test` and the like are npm's own commands. */
const SCRIPT = /\bnpm run ([a-z][a-z:]*)/g;

/** Lists the paths, links and scripts that a comment or a page names but that do not exist. */
export function deadPointers(file: RepositoryFile): readonly string[] {
  const prose = file.path.endsWith(".md") ? file.text : commentsOf(file.text);
  const paths = [...prose.matchAll(PATH)].map(([path]) => path).filter((path) => !isThere(path));
  const links = file.path.endsWith(".md") ? deadLinks(file) : [];
  const scripts = [...prose.matchAll(SCRIPT)]
    .map(([, name = ""]) => name)
    .filter((name) => !(name in scriptsOfRoot()));
  return [
    ...paths.map((path) => `${file.path} names ${path}, which does not exist`),
    ...links.map((link) => `${file.path} links to ${link}, which does not exist`),
    ...scripts.map((name) => `${file.path} names npm run ${name}, which does not exist`),
  ];
}

/** Tells whether a path exists. For a build's output, only the package's folder must exist. */
function isThere(path: string): boolean {
  // A word in capitals is a placeholder.
  if (/\/(?!README|LICENSE)[A-Z]+(?=[./]|$)/.test(path)) return true;
  if (/\/(dist|node_modules)(\/|$)/.test(path))
    return existsSync(join(ROOT, path.replace(/\/(dist|node_modules)(\/.*)?$/, "")));
  return existsSync(join(ROOT, path));
}

function deadLinks({ path, text }: RepositoryFile): readonly string[] {
  return [...text.matchAll(LINK)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^(https?:|mailto:|#)/.test(target))
    .filter((target) => !existsSync(join(ROOT, posix.dirname(path), target.replace(/#.*$/, ""))));
}

function commentsOf(text: string): string {
  return [...text.matchAll(/\/\*[\s\S]*?\*\/|(?:^|\s)\/\/.*$/gm)].map(([comment]) => comment).join("\n");
}

let scripts: Readonly<Record<string, string>> | undefined;
function scriptsOfRoot(): Readonly<Record<string, string>> {
  scripts ??= (
    JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> }
  ).scripts;
  return scripts;
}
