import { Code, ConnectError } from "@connectrpc/connect";
import { useQuery } from "@connectrpc/connect-query";
import { type Session, SessionService } from "@posthaste/contracts/session";
import { useEffect } from "react";
import { ErrorNote } from "../parts/error-note.tsx";
import styles from "./sign-in-page.module.css";

/** Fetches the stored token's session. */
export function ResumeSession(props: { onSignedIn(session: Session): void; onSignedOut(why: string): void }) {
  const { onSignedIn, onSignedOut } = props;
  const { data, error, refetch } = useQuery(SessionService.method.getSession, {});
  const isEnded = error !== null && ConnectError.from(error).code === Code.Unauthenticated;
  useEffect(() => {
    if (data?.session !== undefined) onSignedIn(data.session);
    if (isEnded) onSignedOut("Your session has ended. Sign in again.");
  }, [data, isEnded, onSignedIn, onSignedOut]);
  if (error === null || isEnded) return <div className={styles.page} aria-busy="true" />;
  return (
    <div className={styles.page}>
      <ErrorNote error={error} onRetry={() => void refetch()} />
    </div>
  );
}
