import { Complaint } from "@posthaste/runtime/terminal";
import { closeStore, migrate, openStore, readTime, UnknownMigrations } from "@posthaste/store";
import { readSecretKeys } from "../../../services/operator/src/database-url.ts";
import { adminToken } from "./admin-token.ts";

/** Migrates the database, and resolves with the admin token, which it creates if necessary. */
export async function prepareDatabase(options: {
  url: string;
  secretKeys: string;
  dataDir: string;
  presetToken: string | undefined;
}): Promise<string> {
  const store = await openStore({ url: options.url, secretKeys: readSecretKeys(options.secretKeys) });
  try {
    await migrate(store).catch((error: unknown) => {
      throw error instanceof UnknownMigrations
        ? new Complaint(`${options.dataDir}: ${error.message}`)
        : error;
    });
    return await adminToken(store, {
      dataDir: options.dataDir,
      preset: options.presetToken,
      now: await readTime(store),
    });
  } finally {
    await closeStore(store);
  }
}
