import type { Attempt } from "@posthaste/contracts/delivery";
import { useMemo } from "react";
import { CopyButton } from "../parts/copy-button.tsx";
import { curlOf } from "./curl.ts";
import styles from "./curl-button.module.css";

/** Copies an attempt's request as a curl command, and says what is missing in it. */
export function CurlButton({ attempt, body }: { attempt: Attempt; body: string }) {
  const { command, leftOut } = useMemo(() => curlOf(attempt, body), [attempt, body]);
  return (
    <div className={styles.curl}>
      <CopyButton text={command} label="Copy as cURL" isLabelVisible />
      <p className={styles.note}>
        For bash, zsh and fish. Not stored and not copied:{" "}
        {["the URL’s query, if it has one", ...leftOut].join(", ")}. A receiver that verifies signatures
        refuses the copy once its timestamp is 5 minutes old.
      </p>
    </div>
  );
}
