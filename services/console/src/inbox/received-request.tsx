import type { InboxRequest } from "@posthaste/contracts/inbox";
import { ChevronRight } from "lucide-react";
import { Button } from "react-aria-components/Button";
import { Disclosure, DisclosurePanel } from "react-aria-components/Disclosure";
import { Heading } from "react-aria-components/Heading";
import { Headers } from "../delivery/timeline.tsx";
import { Badge } from "../parts/badge.tsx";
import { BodyBlock } from "../parts/body-block.tsx";
import { Time } from "../parts/time.tsx";
import { type Checked, useChecked } from "./check-signature.ts";
import styles from "./received-request.module.css";

/** Shows one request of an inbox. Its content is always shown as text. */
export function ReceivedRequest(props: {
  request: InboxRequest;
  isOpen: boolean;
  keysPaths: readonly string[];
}) {
  const { request, isOpen, keysPaths } = props;
  const checked = useChecked(request, keysPaths);
  const eventType = request.headers.find(({ name }) => name === "webhook-event")?.value;
  const attempt = request.headers.find(({ name }) => name === "webhook-attempt")?.value;
  return (
    <li className={styles.request}>
      <Disclosure defaultExpanded={isOpen}>
        <Heading level={3} className={styles.head}>
          <Button slot="trigger" className={styles.trigger}>
            <ChevronRight size={16} aria-hidden="true" />
            <strong>{eventType ?? request.method}</strong>
            {attempt !== undefined && <span className={styles.muted}>attempt {attempt}</span>}
            <SignatureBadge checked={checked} />
            <span className={styles.when}>
              status {request.status}, <Time at={request.receivedAt} relative />
            </span>
          </Button>
        </Heading>
        <DisclosurePanel>
          <div className={styles.panel}>
            {(checked.kind === "wrong" || checked.kind === "unknown") && (
              <p className={styles.muted}>Signature: {checked.why}.</p>
            )}
            <Headers headers={request.headers} label="Headers" />
            <BodyBlock label="Body" bytes={request.body} fileName="request" isTruncated={request.truncated} />
          </div>
        </DisclosurePanel>
      </Disclosure>
    </li>
  );
}

function SignatureBadge({ checked }: { checked: Checked }) {
  switch (checked.kind) {
    case "checking":
      return <Badge tone="grey">Checking…</Badge>;
    case "verified":
      return <Badge tone="green">Signature verified</Badge>;
    case "unsigned":
      return <Badge tone="grey">Not signed</Badge>;
    case "wrong":
      return <Badge tone="red">Signature invalid</Badge>;
    case "unknown":
      return <Badge tone="amber">Signature not checked</Badge>;
  }
}
