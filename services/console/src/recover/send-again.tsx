import { type Recovery, RecoveryState } from "@posthaste/contracts/delivery";
import { RotateCw } from "lucide-react";
import { useState } from "react";
import { Button } from "react-aria-components/Button";
import { Dialog, DialogTrigger } from "react-aria-components/Dialog";
import { Heading } from "react-aria-components/Heading";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { Modal, ModalOverlay } from "react-aria-components/Modal";
import { NumberField } from "react-aria-components/NumberField";
import { Link } from "wouter";
import controls from "../parts/controls.module.css";
import { ErrorNote } from "../parts/error-note.tsx";
import { whole } from "../parts/numbers.ts";
import { whyLeftOut } from "./left-out.ts";
import { RecoveryProgress } from "./recovery-progress.tsx";
import { type Selection, sendsAccepted } from "./selection.ts";
import styles from "./send-again.module.css";
import { isOpen, useCount, useRecovery, useStart } from "./use-recovery.ts";

/** Gentle on a receiver that has just come back. */
const RATE_DEFAULT = 100;
const RATE_MAX = 1_000;

/** A button that counts what a selection has, asks, and sends it. */
export function SendAgainButton(props: {
  label: string;
  selection: Selection;
  isPrimary?: boolean;
  isSmall?: boolean;
}) {
  const { label, selection, isPrimary = false, isSmall = false } = props;
  const looks = `${controls.button} ${isPrimary ? controls.primary : ""} ${isSmall ? controls.small : ""}`;
  return (
    <DialogTrigger>
      <Button className={looks}>
        <RotateCw size={15} aria-hidden="true" /> {label}
      </Button>
      <ModalOverlay className={controls.overlay} isDismissable>
        <Modal className={controls.dialog}>
          <Dialog>
            {({ close }) => (
              <>
                <Heading slot="title" level={2}>
                  {label}
                </Heading>
                <SendAgain selection={selection} onClose={close} />
              </>
            )}
          </Dialog>
        </Modal>
      </ModalOverlay>
    </DialogTrigger>
  );
}

/** The inside of the dialog: a count, then a recovery. */
function SendAgain({ selection, onClose }: { selection: Selection; onClose(): void }) {
  const { count, error } = useCount(selection);
  const [rate, setRate] = useState(RATE_DEFAULT);
  const sending = useStart(selection);
  const sent = useRecovery(sending.started?.id);
  if (sending.started !== undefined) {
    return <Sent recovery={sent ?? sending.started} total={count?.examined} onClose={onClose} />;
  }
  const isNothing = count?.state === RecoveryState.COMPLETED && count.made === 0n;
  return (
    <div className={styles.body}>
      <p>{selection.kind === "recover" ? HOW_DELIVERIES : HOW_EVENTS}</p>
      {sendsAccepted(selection) && (
        <p className={styles.warning}>
          These deliveries were accepted. Their receiver gets these events once more, with the same
          webhook-id.
        </p>
      )}
      <Counted count={count} />
      {!isNothing && (
        <NumberField
          className={controls.field}
          value={rate}
          onChange={setRate}
          minValue={1}
          maxValue={RATE_MAX}
        >
          <Label>At most, per second</Label>
          <Input className={controls.input} />
        </NumberField>
      )}
      {(error ?? sending.error) !== null && <ErrorNote error={error ?? sending.error} />}
      <div className={controls.actions}>
        <Button className={controls.button} onPress={onClose} autoFocus>
          {isNothing ? "Close" : "Cancel"}
        </Button>
        {!isNothing && (
          <Button
            className={`${controls.button} ${controls.primary}`}
            isDisabled={sending.isPending || Number.isNaN(rate)}
            onPress={() => sending.start(rate, false)}
          >
            {nameOfSending(count)}
          </Button>
        )}
      </div>
    </div>
  );
}

const HOW_DELIVERIES =
  "What waits for a retry makes its next attempt now. What has ended is sent as a new delivery.";
const HOW_EVENTS =
  "Sends the subscription events that it never received, one after another, in the order of their ingest.";

function nameOfSending(count: Recovery | undefined): string {
  return count?.state === RecoveryState.COMPLETED ? `Send ${whole(count.made)}` : "Send without counting";
}

function Counted({ count }: { count: Recovery | undefined }) {
  if (count === undefined) return <p role="status">Counting…</p>;
  const { made, leftOut, leftOutBy, parked } = count;
  return (
    <div role="status" className={styles.counted}>
      <p>
        {isOpen(count) && "Counting… "}
        <strong>{whole(made)}</strong> {made === 1n ? "delivery" : "deliveries"} to send
        {made === 0n && !isOpen(count) && ": nothing is left to do"}.
      </p>
      {leftOut > 0n && <p className={styles.muted}>Left out: {whyLeftOut(leftOutBy, leftOut)}.</p>}
      {parked > 0n && (
        <p className={styles.muted}>
          {whole(parked)} parked {parked === 1n ? "delivery is" : "deliveries are"} sent as well, because the
          subscription is resumed.
        </p>
      )}
    </div>
  );
}

function Sent({
  recovery,
  total,
  onClose,
}: {
  recovery: Recovery;
  total?: bigint | undefined;
  onClose(): void;
}) {
  const { made, leftOut, leftOutBy } = recovery;
  return (
    <div className={styles.body}>
      <RecoveryProgress recovery={recovery} total={total} />
      <p role="status">
        <strong>{whole(made)}</strong> sent{isOpen(recovery) ? " so far" : ""}
        {leftOut > 0n && <>. Left out: {whyLeftOut(leftOutBy, leftOut)}</>}.
      </p>
      <p className={styles.muted}>
        It goes on if you leave this page. <Link href="/recover">Recoveries</Link> shows it, and can pause and
        cancel it. <Link href={`/deliveries?recovery=${recovery.id}`}>See the deliveries</Link>.
      </p>
      <div className={controls.actions}>
        <Button className={`${controls.button} ${controls.primary}`} onPress={onClose} autoFocus>
          Close
        </Button>
      </div>
    </div>
  );
}
