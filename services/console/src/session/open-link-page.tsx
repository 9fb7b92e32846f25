import { createClient } from "@connectrpc/connect";
import { SessionService } from "@posthaste/contracts/session";
import { useEffect, useState } from "react";
import { customerWordsOf } from "../api/customer-words.ts";
import { isRefusedToken } from "../api/errors.ts";
import { transport } from "../api/transport.ts";
import { tellHost } from "./host-messages.ts";
import { Notice } from "./notice.tsx";
import { signIn } from "./session-store.ts";
import { readSession } from "./stored-session.ts";

/** Exchanges a portal link's code for a session. */
export function OpenLinkPage() {
  const [problem, setProblem] = useState("");
  useEffect(() => {
    void exchangeOnce().then(setProblem);
  }, []);
  if (problem === "") return <Notice title="Opening…" text="One moment." isBusy />;
  return (
    <Notice title="This link cannot be opened" text={problem}>
      {/* A full load: the page begins anew with the session that this tab still has. */}
      {readSession().held !== undefined && <a href="/">Go on in the session of this tab</a>}
    </Notice>
  );
}

let exchange: Promise<string> | undefined;

/** Exchanges the code once even if React runs an effect twice, because a code is valid only once. */
function exchangeOnce(): Promise<string> {
  exchange ??= openSession();
  return exchange;
}

/** Signs in with the link's code. Returns why that failed; an empty string if it did not. */
async function openSession(): Promise<string> {
  const portalCode = location.hash.slice(1);
  // Removes the code from the address bar and the history at once, so that nobody copies it.
  history.replaceState(null, "", "/");
  if (portalCode === "") return "The link is incomplete: ask for the whole link, or for a new one.";
  try {
    const { secret, session } = await createClient(SessionService, transport).openSession({ portalCode });
    if (session === undefined) return "The server returned no session.";
    signIn({ token: secret, isPortal: true }, session);
    return "";
  } catch (error) {
    // A host may answer with a new link.
    if (isRefusedToken(error)) tellHost("posthaste:session-ended");
    return customerWordsOf(error);
  }
}
