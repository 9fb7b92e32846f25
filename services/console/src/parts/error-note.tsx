import { ConnectError } from "@connectrpc/connect";
import { TriangleAlert } from "lucide-react";
import { Button } from "react-aria-components/Button";
import controls from "./controls.module.css";
import styles from "./error-note.module.css";

/** What went wrong, in the API's own words. */
export function ErrorNote({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  return (
    <div className={styles.note} role="alert">
      <TriangleAlert size={17} aria-hidden="true" />
      <p>{sentence(ConnectError.from(error).rawMessage)}</p>
      {onRetry !== undefined && (
        <Button className={`${controls.button} ${controls.small}`} onPress={onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}

export function sentence(text: string): string {
  const whole = text === "" ? "something went wrong" : text;
  return `${whole[0]?.toUpperCase()}${whole.slice(1)}${/[.!?]$/.test(whole) ? "" : "."}`;
}
