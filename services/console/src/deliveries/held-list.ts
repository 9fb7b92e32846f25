import type { Delivery, DeliveryChange } from "@posthaste/contracts/delivery";

/** The rows that are shown, and the list that they were taken from. */
export type Shown = {
  /** Names the page and its filters. The rows of another page are not held. */
  readonly page: string;
  readonly latest: readonly Delivery[];
  readonly rows: readonly Delivery[];
};

/**
 * Returns what to show of the latest list: all of it, or if it is held, the same rows as before in their
 * places, each as it is now.
 */
export function nextShown(shown: Shown, page: string, latest: readonly Delivery[], isHeld: boolean): Shown {
  if (!isHeld || page !== shown.page || shown.rows.length === 0) {
    return page === shown.page && latest === shown.rows ? shown : { page, latest, rows: latest };
  }
  if (latest === shown.latest) return shown;
  const current = new Map(latest.map((delivery) => [delivery.id, delivery]));
  return { page, latest, rows: shown.rows.map((row) => current.get(row.id) ?? row) };
}

/** Brings rows up to date that the latest list has no more. */
export function withChanges(shown: Shown, changes: readonly DeliveryChange[]): Shown {
  const changed = new Map(changes.map((change) => [change.deliveryId, change]));
  const rows = shown.rows.map((row) => {
    const change = changed.get(row.id);
    if (change === undefined) return row;
    const { state, attempts, lastOutcome, lastStatus } = change;
    return { ...row, state, attempts, lastOutcome, lastStatus };
  });
  return { ...shown, rows };
}

/**
 * Counts deliveries of the latest list that would come in among the rows or before them.
 *
 * @returns such as `12`, or `50+` if all of a full page are new; empty: none
 */
export function newCount({ rows, latest }: Shown, pageSize: number): string {
  const ids = new Set(rows.map(({ id }) => id));
  // Ids sort by time. Those after a full page moved up since rows before them left the list.
  const oldest = rows.length < pageSize ? "" : (rows.at(-1)?.id ?? "");
  const count = latest.filter(({ id }) => !ids.has(id) && id > oldest).length;
  if (count === 0) return "";
  return count === pageSize ? `${count}+` : String(count);
}
