import { withDatabase } from "./processes/database-url.ts";
import { runMain } from "./terminal/complaint.ts";
import { parseTokenCommand, TOKEN_USAGE } from "./token/options.ts";
import { runTokenCommand } from "./token/run-token-command.ts";

await runMain(async () => {
  const command = parseTokenCommand(process.argv.slice(2));
  if (command.kind === "help") {
    console.log(TOKEN_USAGE);
    return 0;
  }
  const lines = await withDatabase(process.env, (store) => runTokenCommand(store, command, Date.now()));
  for (const line of lines) console.log(line);
  return 0;
});
