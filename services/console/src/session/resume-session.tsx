import { useEffect, useState } from "react";
import { isRefusedToken, isUnreached } from "../api/errors.ts";
import { fetchSession, reachability } from "../api/transport.ts";
import { ErrorNote } from "../parts/error-note.tsx";
import { happen } from "./session-store.ts";
import styles from "./sign-in-page.module.css";
import type { HeldSession } from "./stage.ts";

/** Fetches the session of a token that this tab or another one held. */
export function ResumeSession({ held }: { held: HeldSession }) {
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    if (error !== undefined) return;
    const leave = new AbortController();
    resume(held, leave.signal).catch((caught: unknown) => {
      if (!leave.signal.aborted) setError(caught);
    });
    return () => leave.abort();
  }, [held, error]);
  if (error === undefined) return <div className={styles.page} aria-busy="true" />;
  return (
    <div className={styles.page}>
      <ErrorNote error={error} onRetry={() => setError(undefined)} />
    </div>
  );
}

async function resume(held: HeldSession, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      return happen({
        kind: "signed in",
        held,
        session: await fetchSession(held.token, { signal, ...held }),
      });
    } catch (error) {
      if (isRefusedToken(error)) return happen({ kind: "refused", token: held.token });
      if (!isUnreached(error)) throw error;
      await reachability.whenReached(signal);
    }
  }
}
