import { useHistoryState } from "wouter/use-browser-location";
import { Card } from "../parts/layout.tsx";
import styles from "./next-steps.module.css";

/** The state of the history's entry to which the page for a new subscription leads. A reload keeps it. */
export const JUST_CREATED = { isJustCreated: true };

/** Says how to go on after subscribing. It is shown only then. */
export function NextSteps() {
  const state = useHistoryState<typeof JUST_CREATED | null>();
  if (state?.isJustCreated !== true) return null;
  return (
    <Card title="Next steps" className={styles.card}>
      <ol className={styles.steps}>
        <li>Show the signing secret on this page, and give it to your receiver.</li>
        <li>Let your receiver verify deliveries. The code on this page does it in seven languages.</li>
        <li>Send it a test event, and see what it answers.</li>
      </ol>
    </Card>
  );
}
