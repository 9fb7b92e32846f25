import type { InstallationId } from "@posthaste/domain";
import { enter, OF_INSTALLATION } from "../audit/audit.ts";
import { BY_PROGRAM, type By } from "../audit/by.ts";
import { INSTALLATION_ROW, newInstallationId } from "../database/installation.ts";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import { transact } from "../database/transact.ts";

/**
 * Gives the database an id of its own, so that it is an installation apart from the one it was copied from.
 * Its open workflows keep the old names and belong to the original. The reconciler starts new ones.
 *
 * @returns the new id
 */
export async function renewInstallation(
  store: Store,
  { now, by = BY_PROGRAM }: { now: number; by?: By },
): Promise<InstallationId> {
  return await transact(store, async (tx) => {
    const query = tx.selectFrom("installation").select("installation_id").where("id", "=", INSTALLATION_ROW);
    const before = await lockRows(store, query).executeTakeFirstOrThrow();
    const after = { installation_id: newInstallationId() };
    await tx.updateTable("installation").set(after).where("id", "=", INSTALLATION_ROW).execute();
    const entry = { accountId: OF_INSTALLATION, subject: "installation", id: after.installation_id } as const;
    await enter(tx, [{ by, ...entry, before, after, now }]);
    return after.installation_id;
  });
}
