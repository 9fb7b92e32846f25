import { useState } from "react";

/**
 * Keeps the row whose dialog is open in a list that it has left, because its subscription has recovered, say:
 * the dialog is a part of the row and would close under its reader's hands.
 *
 * @returns the rows to show, and what to call as a row's dialog opens and closes
 */
export function useKeptRow<T>(rows: readonly T[], keyOf: (row: T) => unknown) {
  const [kept, setKept] = useState<T>();
  const onDialog = (row: T, isOpen: boolean) => setKept(isOpen ? row : undefined);
  const hasLeft = kept !== undefined && !rows.some((row) => keyOf(row) === keyOf(kept));
  return { rows: hasLeft ? [...rows, kept] : rows, onDialog };
}
