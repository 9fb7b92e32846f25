import { readTime } from "@posthaste/store";
import { withDatabase } from "../database-url.ts";
import { parseTokenCommand, TOKEN_USAGE } from "./options.ts";
import { runTokenCommand } from "./run-token-command.ts";

export async function tokenCommand(args: readonly string[]): Promise<number> {
  const command = parseTokenCommand(args);
  if (command.kind === "help") {
    console.log(TOKEN_USAGE);
    return 0;
  }
  const lines = await withDatabase(process.env, async (store) =>
    runTokenCommand(store, command, await readTime(store)),
  );
  for (const line of lines) console.log(line);
  return 0;
}
