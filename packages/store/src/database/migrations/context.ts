import type { ColumnTypes, Seam } from "../dialect/seam.ts";
import type { Sealer } from "../sealer.ts";

/** What a migration may need beside the database. */
export type MigrationContext = {
  readonly database: Seam["name"];
  readonly columns: ColumnTypes;
  readonly sealer: Sealer;
  /** Epoch milliseconds. */
  readonly now: number;
};
