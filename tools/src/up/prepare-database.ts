import { closeStore, migrate, openStore } from "@posthaste/store";
import { readSecretKeys } from "../../../services/operator/src/database-url.ts";
import { adminToken } from "./admin-token.ts";

/** Brings the database up to date and sees to the admin token, which it resolves with. */
export async function prepareDatabase(options: {
  url: string;
  secretKeys: string;
  dataDir: string;
  presetToken: string | undefined;
}): Promise<string> {
  const store = await openStore({ url: options.url, secretKeys: readSecretKeys(options.secretKeys) });
  try {
    await migrate(store);
    return await adminToken(store, {
      dataDir: options.dataDir,
      preset: options.presetToken,
      now: Date.now(),
    });
  } finally {
    await closeStore(store);
  }
}
