import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { type RepositoryFile, ROOT } from "./files.ts";

/** A path of ours in prose: it begins with one of the top folders. */
const PATH = /(?<![\w/.@-])(?:packages|services|tools|proto|docs|\.ci)\/[\w./-]*[\w/]/g;
const LINK = /\]\(([^)\s]+)\)/g;
/** `npm test` and the like are npm's; what `npm run` names is ours. */
const SCRIPT = /\bnpm run ([a-z][a-z:]*)/g;

/** A sentence for each path, link or script that a comment or a page names and that is not there. */
export function deadPointers(file: RepositoryFile): readonly string[] {
  const prose = file.path.endsWith(".md") ? file.text : commentsOf(file.text);
  const paths = [...prose.matchAll(PATH)].map(([path]) => path).filter((path) => !isThere(path));
  const links = file.path.endsWith(".md") ? deadLinks(file) : [];
  const scripts = [...prose.matchAll(SCRIPT)]
    .map(([, name = ""]) => name)
    .filter((name) => !(name in scriptsOfRoot()));
  return [
    ...paths.map((path) => `${file.path} points to ${path}`),
    ...links.map((link) => `${file.path} links to ${link}`),
    ...scripts.map((name) => `${file.path} names npm run ${name}`),
  ];
}

/** What a build or a run makes is there once it has been made. */
function isThere(path: string): boolean {
  // A word in capitals stands for any name.
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
