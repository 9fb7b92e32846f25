import { Button } from "react-aria-components/Button";
import { ErrorBoundary } from "react-error-boundary";
import controls from "./controls.module.css";
import styles from "./layout.module.css";

/**
 * Keeps the rest of a page if one part of it cannot be shown: its chunk was not served, or it has a defect.
 * The part is tried again when what it is given changes.
 */
export function PartBoundary({ children }: { children: React.ReactNode }) {
  return (
    <ErrorBoundary resetKeys={[children]} fallback={<NotShown />}>
      {children}
    </ErrorBoundary>
  );
}

function NotShown() {
  return (
    <div className={styles.empty} role="alert">
      <p>This part of the page cannot be shown.</p>
      <Button className={`${controls.button} ${controls.small}`} onPress={() => location.reload()}>
        Reload the page
      </Button>
    </div>
  );
}
