import { TransportProvider } from "@connectrpc/connect-query";
import type { Session } from "@posthaste/contracts/session";
import { QueryClientProvider } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { I18nProvider } from "react-aria-components/I18nProvider";
import { Router } from "wouter";
import { createQueries, transport } from "./api/transport.ts";
import { LOCALE } from "./parts/locale.ts";
import { PORTAL_PATH, PortalPage } from "./session/portal-page.tsx";
import { ResumeSession } from "./session/resume-session.tsx";
import { SessionContext } from "./session/session-context.tsx";
import { SignInPage } from "./session/sign-in-page.tsx";
import { storedToken, storeToken } from "./session/stored-token.ts";
import { Shell } from "./shell/shell.tsx";

/** Decides what to show: a sign-in page or the console's pages. */
type Stage =
  | { kind: "portal" }
  | { kind: "signed out"; why: string }
  | { kind: "resuming" }
  | { kind: "signed in"; session: Session };

export function App() {
  const [stage, setStage] = useState<Stage>(firstStage);
  const signOut = useCallback((why: string) => {
    storeToken(null);
    setStage({ kind: "signed out", why });
  }, []);
  // Each session gets a new client, so that no data of the previous account remains.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new stage begins or ends a session
  const queries = useMemo(
    () => createQueries(() => signOut("Your session has ended. Sign in again.")),
    [signOut, stage.kind],
  );
  const signedIn = useCallback((session: Session) => setStage({ kind: "signed in", session }), []);
  return (
    <TransportProvider transport={transport}>
      <QueryClientProvider client={queries}>
        <I18nProvider locale={LOCALE}>
          <Router>
            {stage.kind === "portal" && <PortalPage onSignedIn={signedIn} />}
            {stage.kind === "signed out" && <SignInPage why={stage.why} onSignedIn={signedIn} />}
            {stage.kind === "resuming" && <ResumeSession onSignedIn={signedIn} onSignedOut={signOut} />}
            {stage.kind === "signed in" && <SignedIn session={stage.session} signOut={signOut} />}
          </Router>
        </I18nProvider>
      </QueryClientProvider>
    </TransportProvider>
  );
}

function SignedIn({ session, signOut }: { session: Session; signOut: (why: string) => void }) {
  const value = useMemo(
    () => ({
      session,
      can: (scope: string) => session.scopes.includes(scope) || session.scopes.includes("admin"),
      signOut: () => signOut(""),
    }),
    [session, signOut],
  );
  return (
    <SessionContext value={value}>
      <Shell />
    </SessionContext>
  );
}

function firstStage(): Stage {
  if (location.pathname === PORTAL_PATH) return { kind: "portal" };
  return storedToken() === null ? { kind: "signed out", why: "" } : { kind: "resuming" };
}
