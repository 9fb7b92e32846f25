import { useEffect, useState } from "react";
import { customerWordsOf } from "../api/customer-words.ts";
import { Notice } from "./notice.tsx";
import { openLink } from "./open-link.ts";
import { readPortalLink } from "./portal-link.ts";
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
  const { code, place } = readPortalLink(location.hash, location.origin);
  // Removes the code from the address bar and the history at once, so that nobody copies it.
  history.replaceState(null, "", place);
  if (code === "") return "The link is incomplete: ask for the whole link, or for a new one.";
  try {
    await openLink(code);
    return "";
  } catch (error) {
    return customerWordsOf(error);
  }
}
