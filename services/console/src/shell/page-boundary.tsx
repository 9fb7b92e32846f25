import { Button } from "react-aria-components/Button";
import { ErrorBoundary } from "react-error-boundary";
import controls from "../parts/controls.module.css";
import { Empty, PageHeader } from "../parts/layout.tsx";

/**
 * Keeps the menu if a page cannot be shown: its chunk was not served, because no API answers or another
 * version of the console is installed by now, or it has a defect. Another page is tried anew.
 */
export function PageBoundary({ path, children }: { path: string; children: React.ReactNode }) {
  return (
    <ErrorBoundary resetKeys={[path]} fallback={<NotShown />}>
      {children}
    </ErrorBoundary>
  );
}

function NotShown() {
  return (
    <>
      <PageHeader title="This page cannot be shown" />
      <Empty title="The API does not answer, or the console has changed since this tab was opened">
        <Button className={`${controls.button} ${controls.primary}`} onPress={() => location.reload()}>
          Reload
        </Button>
      </Empty>
    </>
  );
}
