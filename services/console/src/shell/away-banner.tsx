import { CloudOff } from "lucide-react";
import { useSyncExternalStore } from "react";
import { Button } from "react-aria-components/Button";
import { reachability } from "../api/transport.ts";
import controls from "../parts/controls.module.css";
import styles from "./away-banner.module.css";

/** Says on all pages at once that the API cannot be reached, and that the page goes on by itself. */
export function AwayBanner() {
  const isAway = useSyncExternalStore(reachability.subscribe, reachability.isAway);
  return (
    // Above dialogs, and always there: screen readers announce what is added to it.
    <div role="status" data-react-aria-top-layer="true">
      {isAway && (
        <div className={styles.banner}>
          <CloudOff size={17} aria-hidden="true" />
          <p>The server cannot be reached. This page keeps trying and goes on by itself.</p>
          <Button className={`${controls.button} ${controls.small}`} onPress={reachability.tryNow}>
            Try now
          </Button>
        </div>
      )}
    </div>
  );
}
