import { isSource, isTest, type RepositoryFile } from "./files.ts";

/*
 * A delivery's row and the log of its changes must not part: readers, statistics and the reconciler trust
 * that every move was logged, and that nothing was logged that did not move. So one file writes each of the
 * two tables in each way. A write is found by its text, in whatever form the store builds statements.
 */

type Verb = "insert" | "update" | "delete";

/** The files that may write a table in a way. */
const WRITERS: Readonly<Record<string, Readonly<Record<Verb, readonly string[]>>>> = {
  deliveries: {
    insert: ["packages/store/src/deliveries/new-deliveries.ts"],
    update: ["packages/store/src/deliveries/move.ts"],
    delete: ["packages/store/src/long-running/retain.ts"],
  },
  delivery_changes: {
    insert: ["packages/store/src/deliveries/move.ts", "packages/store/src/deliveries/new-deliveries.ts"],
    // Gives the changes their order.
    update: ["packages/store/src/deliveries/delivery-changes.ts"],
    delete: [
      "packages/store/src/long-running/retain.ts",
      "packages/store/src/long-running/delete-account.ts",
    ],
  },
};

/** Measurements, and what tests use: they put rows into a state that would take the product hours. */
const PREPARES = /^packages\/(bench|testkit)\//;

const methodsOf: Readonly<Record<Verb, string>> = {
  insert: "insertInto|replaceInto|mergeInto",
  update: "updateTable",
  delete: "deleteFrom",
};
const statementsOf: Readonly<Record<Verb, string>> = {
  insert: "(?:insert|replace|merge)(?:\\s+(?:ignore|or\\s+\\w+))?\\s+into",
  update: "update(?:\\s+(?:ignore|or\\s+\\w+))?",
  delete: "delete\\s+from",
};

/** Returns patterns for the ways in which a table's rows are written. */
function patternsOf(table: string, verb: Verb): readonly RegExp[] {
  // `"deliveries as d"` names the table, too.
  const name = `["'\`]${table}(?:\\s[^"'\`]*)?["'\`]`;
  const byTable = `\\$\\{\\s*sql\\.(?:table|ref|id|raw|lit)\\(\\s*${name}`;
  return [
    new RegExp(`\\b(?:${methodsOf[verb]})\\(\\s*${name}`),
    new RegExp(`\\b${statementsOf[verb]}\\s+(?:["\`\\\\[]*${table}\\b|${byTable})`, "i"),
    ...(verb === "delete" ? [] : [new RegExp(`\\b${verb}Rows(?:<[^>]*>)?\\(\\s*\\w+,\\s*${name}`)]),
    ...(verb === "delete" ? [new RegExp(`\\btable:\\s*${name}[^;]*\\borderBy:`)] : []),
  ];
}

/** A statement on a table whose name only the running program knows. */
const UNKNOWN = new RegExp(`\\b(?:${Object.values(methodsOf).join("|")})\\(\\s*(?!["'\`])\\S`);

/**
 * Lists the writes of deliveries and of their log outside of the files that may write them, and the writes of
 * a table that the text does not name.
 */
export function strayWrites(files: readonly RepositoryFile[]): readonly string[] {
  const product = files.filter(
    (file) =>
      isSource(file) &&
      !isTest(file) &&
      /^(packages|services)\//.test(file.path) &&
      !PREPARES.test(file.path),
  );
  return product.flatMap(({ path, text }) => {
    const code = text.replaceAll(/^\s*\*.*$|^\s*\/\/.*$/gm, "");
    const stray = Object.entries(WRITERS).flatMap(([table, writers]) =>
      (["insert", "update", "delete"] as const)
        .filter((verb) => !writers[verb].includes(path))
        .filter((verb) => patternsOf(table, verb).some((pattern) => pattern.test(code)))
        .map((verb) => `${path}: ${verb} on ${table}`),
    );
    return UNKNOWN.test(code) ? [...stray, `${path}: a write of a table that is not named`] : stray;
  });
}

/** Lists the allowed writes that no file makes, which would hide that the rule finds nothing any more. */
export function unusedWriters(files: readonly RepositoryFile[]): readonly string[] {
  const byPath = new Map(files.map(({ path, text }) => [path, text]));
  return Object.entries(WRITERS).flatMap(([table, writers]) =>
    (["insert", "update", "delete"] as const).flatMap((verb) =>
      writers[verb]
        .filter((path) => !patternsOf(table, verb).some((pattern) => pattern.test(byPath.get(path) ?? "")))
        .map((path) => `${path}: no ${verb} on ${table}`),
    ),
  );
}
