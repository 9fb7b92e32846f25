import { ConnectError, createClient } from "@connectrpc/connect";
import { type Session, SessionService } from "@posthaste/contracts/session";
import { useEffect, useState } from "react";
import { transport } from "../api/transport.ts";
import { Brand } from "../parts/brand.tsx";
import styles from "./sign-in-page.module.css";
import { storedToken, storeToken } from "./stored-token.ts";

/** The path of portal links. The code follows `#`, so that browsers send it to no server. */
export const PORTAL_PATH = "/portal";

/** Exchanges a portal link's code for a session. */
export function PortalPage({ onSignedIn }: { onSignedIn(session: Session): void }) {
  const [problem, setProblem] = useState("");
  useEffect(() => {
    void exchangeOnce().then((outcome) => {
      if (typeof outcome === "string") setProblem(outcome);
      else onSignedIn(outcome);
    });
  }, [onSignedIn]);
  return (
    <main className={styles.page}>
      <div className={styles.card} aria-busy={problem === ""}>
        <Brand />
        <div className={styles.intro}>
          <h1>{problem === "" ? "Opening…" : "This link cannot be opened"}</h1>
          <p role="alert">
            {problem === "" ? "One moment." : `${problem[0]?.toUpperCase()}${problem.slice(1)}.`}
          </p>
          {/* A full load: the page begins anew with the session that this tab still has. */}
          {problem !== "" && storedToken() !== null && <a href="/">Go on in the session of this tab</a>}
        </div>
      </div>
    </main>
  );
}

let exchange: Promise<Session | string> | undefined;

/** Exchanges the code once even if React runs an effect twice, because a code is valid only once. */
function exchangeOnce(): Promise<Session | string> {
  exchange ??= openSession();
  return exchange;
}

async function openSession(): Promise<Session | string> {
  const portalCode = location.hash.slice(1);
  // Removes the code from the address bar and the history at once, so that nobody copies it.
  history.replaceState(null, "", "/");
  if (portalCode === "") return "the link is incomplete: ask for the whole link, or for a new one";
  try {
    const { secret, session } = await createClient(SessionService, transport).openSession({ portalCode });
    if (session === undefined) return "the API returned no session";
    // Only now: a link that cannot be opened leaves the tab the session that it has.
    storeToken(null);
    storeToken(secret);
    return session;
  } catch (error) {
    return ConnectError.from(error).rawMessage;
  }
}
