import { fetchSession } from "../api/transport.ts";
import { currentStage, happen } from "./session-store.ts";
import { tokenOf } from "./stage.ts";

/**
 * Lets an operator act in an account, in this tab and those that it opens, or go back to the token's own.
 *
 * @param actingIn undefined: the token's own account
 * @throws ConnectError, for example if there is no such account
 */
export async function switchAccount(actingIn: number | undefined): Promise<void> {
  const stage = currentStage();
  if (stage.kind !== "signed in") return;
  const held = { ...stage.held, actingIn };
  const session = await fetchSession(held.token, { actingIn });
  // Another tab may have signed out meanwhile.
  if (tokenOf(currentStage()) === held.token) happen({ kind: "signed in", held, session });
}
