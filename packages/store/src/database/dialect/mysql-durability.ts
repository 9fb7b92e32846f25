import { type Kysely, sql } from "kysely";
import type { Tables } from "../tables.ts";

/** A setting of the database's server with which a power cut loses what was acknowledged. */
export type DurabilityRisk = {
  /** The setting's name. */
  readonly setting: string;
  readonly value: string;
  /** What a power cut would lose, in words. */
  readonly loses: string;
  /** The value to set. */
  readonly set: string;
};

type Variables = ReadonlyMap<string, string>;

const NAMES = ["innodb_flush_log_at_trx_commit", "sync_binlog", "log_bin", "innodb_doublewrite"];

/** Whether these settings put commits at risk. A server that lacks a setting is not judged by it. */
const RISKS: readonly (Omit<DurabilityRisk, "value"> & {
  readonly isRisk: (value: string, all: Variables) => boolean;
})[] = [
  {
    setting: "innodb_flush_log_at_trx_commit",
    loses: "the commits of about the last second",
    set: "1",
    // 3 is MariaDB's, and flushes more often.
    isRisk: (value) => value !== "1" && value !== "3",
  },
  {
    setting: "sync_binlog",
    loses:
      "commits that the binary log does not have yet: recovery may roll them back, and replicas never get them",
    set: "1",
    isRisk: (value, all) => value !== "1" && all.get("log_bin") === "ON",
  },
  {
    setting: "innodb_doublewrite",
    loses: "pages that were being written, and with them any of the data",
    set: "ON",
    // MySQL's DETECT_ONLY finds torn pages and cannot restore them.
    isRisk: (value) => value === "OFF" || value === "DETECT_ONLY",
  },
];

/** Returns which of the server's settings lose commits in a power cut; none if it does not tell them. */
export async function durabilityRisks(db: Kysely<Tables>): Promise<readonly DurabilityRisk[]> {
  const names = sql.join(NAMES.map((name) => sql.lit(name)));
  const query = sql<{
    Variable_name: string;
    Value: string;
  }>`show global variables where variable_name in (${names})`;
  const { rows } = await query.execute(db).catch(() => ({ rows: [] }));
  const all = new Map(rows.map((row) => [row.Variable_name.toLowerCase(), row.Value.toUpperCase()]));
  return RISKS.flatMap(({ isRisk, ...risk }) => {
    const value = all.get(risk.setting);
    return value !== undefined && isRisk(value, all) ? [{ ...risk, value }] : [];
  });
}
