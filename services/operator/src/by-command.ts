import type { By } from "@posthaste/store";

/** Returns who makes the changes of a command: whoever has the database's password. */
export function byCommand(command: string): By {
  return { actor: "operator", action: command };
}
