import { useEffect, useSyncExternalStore } from "react";
import { Button } from "react-aria-components/Button";
import { ErrorBoundary } from "react-error-boundary";
import { probe, reachability } from "../api/transport.ts";
import controls from "../parts/controls.module.css";
import { Empty, PageHeader, Skeleton } from "../parts/layout.tsx";

/**
 * Keeps the menu if a page cannot be shown: its chunk was not served, because no API answers or another
 * version of the console is installed by now, or it has a defect. Another page is tried anew. If no API
 * answers, the page is loaded once one does.
 */
export function PageBoundary({ path, children }: { path: string; children: React.ReactNode }) {
  return (
    <ErrorBoundary resetKeys={[path]} fallback={<NotShown />}>
      {children}
    </ErrorBoundary>
  );
}

function NotShown() {
  const isAway = useSyncExternalStore(reachability.subscribe, reachability.isAway);
  useEffect(() => {
    const leave = new AbortController();
    void reloadWhenBack(leave.signal);
    return () => leave.abort();
  }, []);
  if (isAway) return <Skeleton lines={8} />;
  return (
    <>
      <PageHeader title="This page cannot be shown" />
      <Empty title="The console has changed since this tab was opened, or the page has a defect">
        <Button className={`${controls.button} ${controls.primary}`} onPress={() => location.reload()}>
          Reload
        </Button>
      </Empty>
    </>
  );
}

/** A browser keeps the failure of a chunk, so that only a reload tries it again. */
async function reloadWhenBack(signal: AbortSignal): Promise<void> {
  await probe();
  if (!reachability.isAway()) return;
  await reachability.whenReached(signal);
  if (!signal.aborted) location.reload();
}
