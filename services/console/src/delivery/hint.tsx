import { Lightbulb } from "lucide-react";
import { Link } from "wouter";
import { guideAddress } from "../guide/guide-address.ts";
import styles from "./hint.module.css";
import { type HintedAttempt, hintFor } from "./hints.ts";

/**
 * Says what an attempt's outcome means and what to do; nothing if there is nothing to say.
 *
 * @param isLast whether no attempt follows
 */
export function Hint({ attempt, isLast }: { attempt: HintedAttempt; isLast: boolean }) {
  const hint = hintFor(attempt, isLast);
  if (hint === undefined) return null;
  return (
    <div className={styles.hint} role="note" aria-label="Hint">
      <Lightbulb size={16} aria-hidden="true" />
      <p>
        {hint.text} <Link href={guideAddress(hint.section, hint.row)}>More about {hint.section}</Link>
      </p>
    </div>
  );
}
