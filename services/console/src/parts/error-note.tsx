import { TriangleAlert } from "lucide-react";
import { Button } from "react-aria-components/Button";
import { customerWordsOf } from "../api/customer-words.ts";
import { wordsOf } from "../api/errors.ts";
import { isCustomer } from "../session/session-store.ts";
import controls from "./controls.module.css";
import styles from "./error-note.module.css";

/** Shows the API's error message. */
export function ErrorNote({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  return (
    <div className={styles.note} role="alert" tabIndex={-1}>
      <TriangleAlert size={17} aria-hidden="true" />
      <p>{isCustomer() ? customerWordsOf(error) : wordsOf(error)}</p>
      {onRetry !== undefined && (
        <Button className={`${controls.button} ${controls.small}`} onPress={onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}
