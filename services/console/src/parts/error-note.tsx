import { ConnectError } from "@connectrpc/connect";
import { TriangleAlert } from "lucide-react";
import { Button } from "react-aria-components/Button";
import controls from "./controls.module.css";
import styles from "./error-note.module.css";

/** Shows the API's error message. */
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

/** Adds a capital letter and a full stop to an error message. */
function sentence(text: string): string {
  const whole = text === "" ? "unknown error" : text;
  return `${whole[0]?.toUpperCase()}${whole.slice(1)}${/[.!?]$/.test(whole) ? "" : "."}`;
}
