import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import table from "../parts/table.module.css";
import { TextBlock } from "../parts/text-block.tsx";
import styles from "./schema-table.module.css";

/** The table omits deeper properties and further rows. The schema's JSON below it has them all. */
const DEPTH_MAX = 4;
const ROWS_MAX = 300;

type Row = {
  readonly path: string;
  readonly type: string;
  readonly isRequired: boolean;
  readonly about: string;
};

/** Shows a JSON Schema as a table with one row for each property, and as JSON. */
export function SchemaTable({ schema }: { schema: JsonObject }) {
  const rows = rowsOf(schema, "", 0).slice(0, ROWS_MAX);
  return (
    <>
      {rows.length > 0 && (
        <table className={table.table}>
          <caption className="visually-hidden">Properties of the snapshot</caption>
          <thead>
            <tr>
              <th scope="col">Property</th>
              <th scope="col">Description</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ path, type, isRequired, about }) => (
              <tr key={path}>
                <td>
                  <span className={`mono ${table.name}`}>{path}</span>
                  {isRequired && <span className={styles.required}>required</span>}
                  <span className={styles.type}>{type}</span>
                </td>
                <td className={`${table.muted} ${styles.about}`}>{about}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <details className={styles.raw}>
        <summary>JSON Schema</summary>
        <TextBlock label="JSON Schema (2020-12)" text={JSON.stringify(schema, undefined, 2)} />
      </details>
    </>
  );
}

function rowsOf(schema: JsonObject, within: string, depth: number): Row[] {
  const properties = objectOf(schema["properties"]);
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  return Object.entries(properties).flatMap(([name, value]) => {
    const property = objectOf(value);
    const path = within === "" ? name : `${within}.${name}`;
    const row = {
      path,
      type: typeOf(property),
      isRequired: required.includes(name),
      about: typeof property["description"] === "string" ? property["description"] : "",
    };
    if (depth + 1 >= DEPTH_MAX) return [row];
    const items = objectOf(property["items"]);
    return [row, ...rowsOf(property, path, depth + 1), ...rowsOf(items, `${path}[]`, depth + 1)];
  });
}

function typeOf(property: JsonObject): string {
  const { type, format } = property;
  if (Array.isArray(property["enum"]))
    return property["enum"].map((value) => JSON.stringify(value)).join(" | ");
  const names = Array.isArray(type) ? type.join(" or ") : typeof type === "string" ? type : "any";
  return typeof format === "string" ? `${names}, ${format}` : names;
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}
