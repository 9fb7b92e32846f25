import { isRefusedToken, isUnreached } from "../api/errors.ts";
import { exchangeCode, reachability } from "../api/transport.ts";
import { onLinkFromHost, tellHost } from "./host-messages.ts";
import { signIn } from "./session-store.ts";

/**
 * Begins the session of a portal link, or goes on in it if this tab shows the same account.
 *
 * @throws ConnectError if the code is refused, of which a host hears, or the API does not answer
 */
export async function openLink(code: string): Promise<void> {
  try {
    const { secret, session } = await exchangeCode(code);
    if (session === undefined) throw new Error("the API returned no session");
    signIn({ token: secret, isPortal: true }, session);
  } catch (error) {
    if (isRefusedToken(error)) tellHost("posthaste:session-ended");
    throw error;
  }
}

/** Opens the links that the host sends, in this page: what the reader sees and has typed stays. */
export function openLinksFromHost(): void {
  onLinkFromHost(({ code }) => void openOnceReached(code));
}

async function openOnceReached(code: string): Promise<void> {
  const { signal } = new AbortController();
  for (;;) {
    try {
      return await openLink(code);
    } catch (error) {
      // The page still says that its session has ended, and the host was told if the link is of no use.
      if (!isUnreached(error)) return;
      await reachability.whenReached(signal);
    }
  }
}
