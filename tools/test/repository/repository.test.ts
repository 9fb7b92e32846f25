import { describe, expect, test } from "vitest";
import { wrongDependencies } from "../../src/repository/dependencies.ts";
import { wrongImports } from "../../src/repository/directions.ts";
import {
  isSource,
  isTest,
  packageFolderOf,
  type RepositoryFile,
  repositoryFiles,
} from "../../src/repository/files.ts";
import { longLines } from "../../src/repository/lines.ts";
import {
  missingPackages,
  staleWorkspaces,
  tooNewForNode,
  unknownInstallScripts,
} from "../../src/repository/lock.ts";
import { bannedNames } from "../../src/repository/names.ts";
import { deadPointers } from "../../src/repository/pointers.ts";
import { untrueReadmes } from "../../src/repository/readmes.ts";
import { ROOMS, unknownRooms, wrongRoomImports } from "../../src/repository/rooms.ts";
import { strayWrites, unusedWriters } from "../../src/repository/writers.ts";

/** The tests of the rules contain violations on purpose. */
const EXAMPLES = "tools/src/repository/repository-rules.test.ts";
const files = repositoryFiles().filter(({ path }) => path !== EXAMPLES);
const lockText = files.find(({ path }) => path === "package-lock.json")?.text ?? "";
const sources = files.filter(isSource);

/** A file beyond these limits has more than one subject. */
const LINES_MAX = 400;
const TEST_LINES_MAX = 800;
const README_LINES_MAX = 60;

const linesOf = ({ text }: RepositoryFile) => text.split("\n").length - 1;
const pathsOf = (found: readonly RepositoryFile[]) => found.map(({ path }) => path);
/** Lists the files and line numbers at which a pattern matches. */
const places = (among: readonly RepositoryFile[], pattern: RegExp) =>
  among.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
  );

test("the checks see the repository's files", () => {
  expect(new Set(sources.map(packageFolderOf))).toContain("packages/domain");
  expect(new Set(sources.map(packageFolderOf))).toContain("services/worker");
  expect(pathsOf(files)).toContain("package-lock.json");
});

describe("files", () => {
  test(`have at most ${LINES_MAX} lines, tests ${TEST_LINES_MAX}`, () => {
    const long = sources.filter((file) => linesOf(file) > (isTest(file) ? TEST_LINES_MAX : LINES_MAX));
    expect(long.map((file) => `${file.path}: ${linesOf(file)}`)).toEqual([]);
  });

  test(`named README.md in a package have at most ${README_LINES_MAX} lines`, () => {
    const readmes = files.filter(
      (file) => packageFolderOf(file) !== undefined && file.path.endsWith("/README.md"),
    );
    expect(pathsOf(readmes.filter((file) => linesOf(file) > README_LINES_MAX))).toEqual([]);
  });

  test("have no line longer than 110 columns, comments included", () => {
    const others = files.filter(({ path }) => /\.css$|^proto\/posthaste\/|^\.env\.example$/.test(path));
    expect([...sources, ...others].flatMap(longLines)).toEqual([]);
  });

  test("named README.md name only existing files, and every export", () => {
    expect(untrueReadmes(files)).toEqual([]);
  });

  test("have kebab-case names", () => {
    const named = sources.filter(
      ({ path }) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)*$/.test(path.split("/").at(-1) ?? ""),
    );
    expect(pathsOf(named)).toEqual([]);
  });
});

describe("rooms", () => {
  test("import only the rooms that their row allows", () => {
    expect(sources.flatMap(wrongRoomImports)).toEqual([]);
  });

  test("all have a row and a README", () => {
    expect(unknownRooms(files)).toEqual([]);
    const readmes = Object.entries(ROOMS).flatMap(([root, rooms]) =>
      Object.keys(rooms).map((room) => `${root}/${room}/README.md`),
    );
    expect(pathsOf(files)).toEqual(expect.arrayContaining(readmes));
  });

  test("write deliveries and the log of their changes in one file for each way of writing", () => {
    expect(strayWrites(files)).toEqual([]);
    expect(unusedWriters(files)).toEqual([]);
  });
});

describe("imports", () => {
  test("follow the allowed directions", () => {
    expect(sources.flatMap(wrongImports)).toEqual([]);
  });

  test("match the dependencies that the package declares", () => {
    expect(wrongDependencies(files)).toEqual([]);
  });

  test("come from packages that accept the oldest supported Node", () => {
    expect(tooNewForNode(lockText)).toEqual([]);
  });

  test("come from a lock file that is complete", () => {
    expect(missingPackages(lockText)).toEqual([]);
  });

  test("come from a lock file that matches each workspace's package.json", () => {
    const manifests = files.filter(({ path }) => /^(packages|services)\/[^/]+\/package\.json$/.test(path));
    expect(manifests.length).toBeGreaterThan(5);
    const byFolder = manifests.map(({ path, text }) => [path.replace("/package.json", ""), text]);
    expect(staleWorkspaces(lockText, Object.fromEntries(byFolder))).toEqual([]);
  });

  test("come from packages that work without their install scripts", () => {
    expect(unknownInstallScripts(lockText)).toEqual([]);
  });

  test("name a file with its extension", () => {
    expect(
      places(sources, /^(import|export)\b.*\sfrom "\.[^"]*(?<!\.ts|\.tsx|\.mjs|\.css|\?raw|\?guide)";/),
    ).toEqual([]);
  });
});

describe("code", () => {
  test("has no name with a banned word", () => {
    expect(sources.flatMap(bannedNames)).toEqual([]);
  });

  test("has no `export *`, and no default export except in configuration files", () => {
    const code = sources.filter(({ path }) => !path.endsWith(".config.ts"));
    expect(places(code, /^export (\*|default\b)/)).toEqual([]);
  });

  test("has no skipped, exclusive or retried test", () => {
    expect(
      places(sources.filter(isTest), /\b(test|it|describe)\.(only|skip|todo|skipIf|runIf|fails)\b/),
    ).toEqual([]);
    expect(places(sources.filter(isTest), /\bretry: \d/)).toEqual([]);
  });

  test("has no marker of unfinished work", () => {
    const marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"];
    expect(places(sources, new RegExp(`\\b(${marks.join("|")})\\b`))).toEqual([]);
  });
});

describe("words", () => {
  test("in comments and pages name only existing paths, links and scripts", () => {
    const prose = files.filter((file) => isSource(file) || file.path.endsWith(".md"));
    expect(prose.filter(({ path }) => !path.startsWith("proto/third_party/")).flatMap(deadPointers)).toEqual(
      [],
    );
  });

  test("name no folder of a particular machine and no registry host", () => {
    // Split, so that this file does not match either.
    const parts = [
      "/wo" + "rk/(main|shared)",
      "/ro" + "ot/",
      "/ho" + "me/[a-z]",
      "/Us" + "ers/[a-z]",
      "registry\\.np" + "mjs",
      "py" + "pi\\.org",
      "python" + "hosted",
    ];
    expect(places(files, new RegExp(parts.join("|")))).toEqual([]);
  });

  test("in the lock file name no host", () => {
    expect(
      places(
        [{ path: "package-lock.json", text: lockText }],
        /"resolved": "(?!packages\/|services\/|tools")/,
      ),
    ).toEqual([]);
  });
});
