import { useQuery } from "@connectrpc/connect-query";
import { DeliveryService, type Recovery, RecoveryState } from "@posthaste/contracts/delivery";
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
import { sumUp } from "../event/what-came-of-it.ts";
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
/** Deliveries whose states are summed up: a page. */
const SUMMED_MAX = 500;
const SUMMED_EVERY_MS = 2_000;

/** A button that counts what a selection has, asks, and sends it. */
export function SendAgainButton(props: {
  label: string;
  selection: Selection;
  isPrimary?: boolean;
  isSmall?: boolean;
  /** False: there is nothing to send any more. The dialog stays while it is open. Default: true. */
  isOffered?: boolean;
  /** Called as the dialog opens and closes. */
  onOpenChange?(isOpen: boolean): void;
}) {
  const { label, selection, isPrimary = false, isSmall = false, isOffered = true, onOpenChange } = props;
  const [isOpen, setOpen] = useState(false);
  const looks = `${controls.button} ${isPrimary ? controls.primary : ""} ${isSmall ? controls.small : ""}`;
  const change = (opens: boolean) => {
    setOpen(opens);
    onOpenChange?.(opens);
  };
  if (!isOffered && !isOpen) return null;
  return (
    <DialogTrigger isOpen={isOpen} onOpenChange={change}>
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

/** Says what the receivers have answered so far. */
function CameOfIt({ recoveryId }: { recoveryId: number }) {
  const { data } = useQuery(
    DeliveryService.method.listDeliveries,
    { recoveryId, pageSize: SUMMED_MAX },
    { refetchInterval: SUMMED_EVERY_MS },
  );
  if (data === undefined) return null;
  const isAll = data.nextPageToken === "";
  return (
    <p>
      {isAll ? "What came of them so far: " : `Of the newest ${whole(data.deliveries.length)}: `}
      <strong>{sumUp(data.deliveries)}</strong>.
    </p>
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
      {made > 0n && <CameOfIt recoveryId={recovery.id} />}
      <p className={styles.muted}>
        {isOpen(recovery) && "It goes on if you leave this page, and can be paused and cancelled. "}
        <Link href={`/deliveries?recovery=${recovery.id}`}>See the deliveries</Link>, or{" "}
        <Link href="/recover">all recoveries</Link>.
      </p>
      <div className={controls.actions}>
        <Button className={`${controls.button} ${controls.primary}`} onPress={onClose} autoFocus>
          Close
        </Button>
      </div>
    </div>
  );
}
