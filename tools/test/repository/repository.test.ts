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

/** The rules' own tests are full of what is wrong. */
const EXAMPLES = "tools/src/repository/repository-rules.test.ts";
const files = repositoryFiles().filter(({ path }) => path !== EXAMPLES);
const lockText = files.find(({ path }) => path === "package-lock.json")?.text ?? "";
const sources = files.filter(isSource);

/** Past these a file has more than one subject. */
const LINES_MAX = 400;
const TEST_LINES_MAX = 800;
const README_LINES_MAX = 60;

const linesOf = ({ text }: RepositoryFile) => text.split("\n").length - 1;
const pathsOf = (found: readonly RepositoryFile[]) => found.map(({ path }) => path);
/** The files and line numbers where a pattern is found. */
const places = (among: readonly RepositoryFile[], pattern: RegExp) =>
  among.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
  );

test("the checks see the repository", () => {
  expect(new Set(sources.map(packageFolderOf))).toContain("packages/domain");
  expect(new Set(sources.map(packageFolderOf))).toContain("services/worker");
  expect(pathsOf(files)).toContain("package-lock.json");
});

describe("files", () => {
  test(`have at most ${LINES_MAX} lines, tests ${TEST_LINES_MAX}`, () => {
    const long = sources.filter((file) => linesOf(file) > (isTest(file) ? TEST_LINES_MAX : LINES_MAX));
    expect(long.map((file) => `${file.path}: ${linesOf(file)}`)).toEqual([]);
  });

  test(`of the name README.md in a package have at most ${README_LINES_MAX} lines`, () => {
    const readmes = files.filter(
      (file) => packageFolderOf(file) !== undefined && file.path.endsWith("/README.md"),
    );
    expect(pathsOf(readmes.filter((file) => linesOf(file) > README_LINES_MAX))).toEqual([]);
  });

  test("end their lines at 110 columns, comments too", () => {
    expect(sources.flatMap(longLines)).toEqual([]);
  });

  test("of the name README.md name what is there, and every export", () => {
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
  test("import only the rooms that they may", () => {
    expect(sources.flatMap(wrongRoomImports)).toEqual([]);
  });

  test("are those that have a row, and say in a README what they promise", () => {
    expect(unknownRooms(files)).toEqual([]);
    const readmes = Object.entries(ROOMS).flatMap(([root, rooms]) =>
      Object.keys(rooms).map((room) => `${root}/${room}/README.md`),
    );
    expect(pathsOf(files)).toEqual(expect.arrayContaining(readmes));
  });

  test("leave it to one file to change a delivery's row", () => {
    const product = sources.filter(
      (file) => !isTest(file) && /^(packages\/store|services)\//.test(file.path),
    );
    const changing = product.filter(({ text }) =>
      /updateTable\("deliveries"\)|update deliveries/i.test(text),
    );
    expect(pathsOf(changing)).toEqual(["packages/store/src/deliveries/move.ts"]);
  });
});

describe("imports", () => {
  test("go only where they may", () => {
    expect(sources.flatMap(wrongImports)).toEqual([]);
  });

  test("are what the package declares, and all that it declares", () => {
    expect(wrongDependencies(files)).toEqual([]);
  });

  test("come from packages that accept the oldest Node", () => {
    expect(tooNewForNode(lockText)).toEqual([]);
  });

  test("come from a lock file that npm ci takes", () => {
    expect(missingPackages(lockText)).toEqual([]);
  });

  test("are in the lock file as each workspace asks for them", () => {
    const manifests = files.filter(({ path }) => /^(packages|services)\/[^/]+\/package\.json$/.test(path));
    expect(manifests.length).toBeGreaterThan(5);
    const byFolder = manifests.map(({ path, text }) => [path.replace("/package.json", ""), text]);
    expect(staleWorkspaces(lockText, Object.fromEntries(byFolder))).toEqual([]);
  });

  test("come from packages that work without their install scripts", () => {
    expect(unknownInstallScripts(lockText)).toEqual([]);
  });

  test("name their file with its ending", () => {
    expect(places(sources, /^(import|export)\b.*\sfrom "\.[^"]*(?<!\.ts|\.tsx|\.mjs|\.css)";/)).toEqual([]);
  });
});

describe("code", () => {
  test("has no name with a word that says nothing", () => {
    expect(sources.flatMap(bannedNames)).toEqual([]);
  });

  test("has no `export *`, and no default export but for tools that ask for one", () => {
    const own = sources.filter(({ path }) => !path.endsWith(".config.ts"));
    expect(places(own, /^export (\*|default\b)/)).toEqual([]);
  });

  test("has no test that is left out or alone", () => {
    expect(
      places(sources.filter(isTest), /\b(test|it|describe)\.(only|skip|todo|skipIf|runIf|fails)\b/),
    ).toEqual([]);
    expect(places(sources.filter(isTest), /\bretry: \d/)).toEqual([]);
  });

  test("puts nothing off", () => {
    const marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"];
    expect(places(sources, new RegExp(`\\b(${marks.join("|")})\\b`))).toEqual([]);
  });
});

describe("words", () => {
  test("in comments and pages point to what is there", () => {
    const prose = files.filter((file) => isSource(file) || file.path.endsWith(".md"));
    expect(prose.filter(({ path }) => !path.startsWith("proto/third_party/")).flatMap(deadPointers)).toEqual(
      [],
    );
  });

  test("name no machine's folder and no registry's host", () => {
    // Written apart, so that this file does not name them either.
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

  test("of the lock file name no host", () => {
    expect(
      places(
        [{ path: "package-lock.json", text: lockText }],
        /"resolved": "(?!packages\/|services\/|tools")/,
      ),
    ).toEqual([]);
  });
});
