import { TransportProvider } from "@connectrpc/connect-query";
import { QueryClientProvider } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useEffect, useMemo, useSyncExternalStore } from "react";
import { I18nProvider } from "react-aria-components/I18nProvider";
import { ErrorBoundary } from "react-error-boundary";
import { Router } from "wouter";
import { createQueries, transport } from "./api/transport.ts";
import { LOCALE } from "./parts/locale.ts";
import { messageAt, tellHost } from "./session/host-messages.ts";
import { PORTAL_PATH } from "./session/portal-link.ts";
import { ResumeSession } from "./session/resume-session.tsx";
import { SessionContext } from "./session/session-context.tsx";
import { currentStage, onStageChange, signOut } from "./session/session-store.ts";
import { SignedOutPage } from "./session/signed-out-page.tsx";
import type { SignedIn } from "./session/stage.ts";
import { AwayBanner } from "./shell/away-banner.tsx";
import { PageBoundary } from "./shell/page-boundary.tsx";
import { Shell } from "./shell/shell.tsx";
import { useKeptFocus } from "./shell/use-kept-focus.ts";

/** Loaded by who has no session: the parts of a form are a twentieth of the first load. */
const SignInPage = lazy(async () => ({
  default: (await import("./session/sign-in-page.tsx")).SignInPage,
}));
/** Loaded by who comes with a portal link. */
const OpenLinkPage = lazy(async () => ({
  default: (await import("./session/open-link-page.tsx")).OpenLinkPage,
}));
/** Loaded when it is needed: the parts of a dialog are a tenth of the first load. */
const SessionEnded = lazy(async () => ({
  default: (await import("./session/session-ended.tsx")).SessionEnded,
}));

export function App() {
  useKeptFocus();
  return (
    <Router>
      <AwayBanner />
      <Page />
    </Router>
  );
}

/** Shows the console's pages, or what leads to them. */
function Page() {
  const stage = useSyncExternalStore(onStageChange, currentStage);
  const message = messageAt(stage);
  useEffect(() => {
    if (message !== undefined) tellHost(message);
  }, [message]);
  switch (stage.kind) {
    case "opening":
      return (
        <Loaded path={PORTAL_PATH}>
          <OpenLinkPage />
        </Loaded>
      );
    case "asking":
      return <div aria-busy="true" />;
    case "resuming":
      return <ResumeSession key={stage.held.token} held={stage.held} />;
    case "signed out":
      if (stage.isPortal) return <SignedOutPage why={stage.why} />;
      return (
        <Loaded path="/">
          <SignInPage why={stage.why} />
        </Loaded>
      );
    case "signed in":
      return <Console key={stage.number} stage={stage} />;
  }
}

function Loaded({ path, children }: { path: string; children: ReactNode }) {
  return (
    <PageBoundary path={path}>
      <Suspense fallback={<div aria-busy="true" />}>{children}</Suspense>
    </PageBoundary>
  );
}

function Console({ stage }: { stage: SignedIn }) {
  const { session, held, isEnded } = stage;
  // Each account gets a client of its own, so that no data of the previous one remains.
  const queries = useMemo(createQueries, []);
  const value = useMemo(
    () => ({
      session,
      isPortal: held.isPortal,
      isActing: held.actingIn !== undefined,
      can: (scope: string) => session.scopes.includes(scope) || session.scopes.includes("admin"),
      signOut,
    }),
    [session, held],
  );
  return (
    <TransportProvider transport={transport}>
      <QueryClientProvider client={queries}>
        <I18nProvider locale={LOCALE}>
          <SessionContext value={value}>
            <Shell />
            {isEnded && (
              // A newer version of the console may be installed by now, without this dialog's chunk.
              <ErrorBoundary fallback={null} onError={signOut}>
                <Suspense>
                  <SessionEnded stage={stage} />
                </Suspense>
              </ErrorBoundary>
            )}
          </SessionContext>
        </I18nProvider>
      </QueryClientProvider>
    </TransportProvider>
  );
}
