import type { ColumnTypes } from "../dialect/seam.ts";
import type { Sealer } from "../sealer.ts";

/** What a migration may need beside the database. */
export type MigrationContext = {
  readonly columns: ColumnTypes;
  readonly sealer: Sealer;
  /** Epoch milliseconds. */
  readonly now: number;
};
