import type { Delivery, DeliveryChange } from "@posthaste/contracts/delivery";

/** A page as the API lists it now. */
export type List = {
  /** Names the page and its filters. The rows of another page are not held. */
  readonly page: string;
  readonly deliveries: readonly Delivery[];
  /** The token of the page after it; empty if there is none. */
  readonly next: string;
};

/** The rows that are shown, and the page after them. */
export type Shown = { readonly latest: List; readonly rows: readonly Delivery[]; readonly next: string };

export const showing = (latest: List): Shown => ({ latest, rows: latest.deliveries, next: latest.next });

/**
 * Returns what to show of the latest list: all of it, or if it is held, the same rows as before in their
 * places, each as it is now.
 */
export function nextShown(shown: Shown, latest: List, isHeld: boolean): Shown {
  const isSamePage = latest.page === shown.latest.page;
  if (!isHeld || !isSamePage || shown.rows.length === 0) {
    const isShown = isSamePage && latest.deliveries === shown.rows && latest.next === shown.next;
    return isShown ? shown : showing(latest);
  }
  if (latest.deliveries === shown.latest.deliveries) return shown;
  const current = new Map(latest.deliveries.map((delivery) => [delivery.id, delivery]));
  return { ...shown, latest, rows: shown.rows.map((row) => current.get(row.id) ?? row) };
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
  const count = latest.deliveries.filter(({ id }) => !ids.has(id) && id > oldest).length;
  if (count === 0) return "";
  return count === pageSize ? `${count}+` : String(count);
}
