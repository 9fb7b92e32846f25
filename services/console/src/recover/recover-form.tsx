import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { useMutation } from "@connectrpc/connect-query";
import { DeliveryService } from "@posthaste/contracts/delivery";
import { useState } from "react";
import { Button } from "react-aria-components/Button";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { Text } from "react-aria-components/Text";
import { TextField } from "react-aria-components/TextField";
import { targetName, useSubscriptions } from "../api/subscriptions.ts";
import { Choice } from "../parts/choice.tsx";
import { ConfirmButton } from "../parts/confirm.tsx";
import controls from "../parts/controls.module.css";
import { HOUR_MS } from "../parts/durations.ts";
import { ErrorNote } from "../parts/error-note.tsx";
import { localInput } from "../parts/time.tsx";
import { Toggles } from "../parts/toggles.tsx";
import styles from "./recover-form.module.css";

const KINDS = [
  { id: "recover", name: "Failed deliveries" },
  { id: "replay", name: "Earlier events" },
] as const;
type Kind = (typeof KINDS)[number]["id"];

export function RecoverForm({ onStarted }: { onStarted(): void }) {
  const subscriptions = useSubscriptions();
  const [kind, setKind] = useState<Kind>("recover");
  const [subscriptionId, setSubscriptionId] = useState("0");
  const [since, setSince] = useState(() => localInput(Date.now() - HOUR_MS));
  const recover = useMutation(DeliveryService.method.recoverDeliveries, { onSuccess: onStarted });
  const replay = useMutation(DeliveryService.method.replayEvents, { onSuccess: onStarted });
  const sinceMs = Date.parse(since);
  const isReady = !Number.isNaN(sinceMs) && (kind === "recover" || subscriptionId !== "0");
  const start = async (dryRun: boolean) => {
    const request = { subscriptionId: Number(subscriptionId), since: timestampFromMs(sinceMs), dryRun };
    return kind === "recover" ? await recover.mutateAsync(request) : await replay.mutateAsync(request);
  };
  const count = () => {
    // The form shows the error below.
    start(true).catch(() => {});
  };
  const error = recover.error ?? replay.error;
  return (
    <div className={styles.form}>
      <Toggles label="What to send" options={KINDS} value={kind} onChange={setKind} />
      <p className={styles.about}>
        {kind === "recover"
          ? "Creates one new delivery for each exhausted, blocked or cancelled delivery that was not accepted meanwhile. If you choose a paused or disabled subscription, it is resumed."
          : "Sends a subscription earlier events of its types that it never received."}
      </p>
      <Choice
        label="Subscription"
        options={[
          { id: "0", name: kind === "recover" ? "All subscriptions" : "Choose a subscription" },
          ...subscriptions.map(({ id }) => ({ id: String(id), name: targetName(subscriptions, id) })),
        ]}
        value={subscriptionId}
        onChange={setSubscriptionId}
      />
      <TextField
        className={controls.field}
        value={since}
        onChange={setSince}
        isInvalid={Number.isNaN(sinceMs)}
      >
        <Label>Since</Label>
        <Input type="datetime-local" className={controls.input} />
        <Text slot="description">In your time zone, up to now.</Text>
      </TextField>
      <div className={styles.actions}>
        <Button className={controls.button} isDisabled={!isReady} onPress={count}>
          Count only
        </Button>
        {isReady && (
          <ConfirmButton
            label="Send again"
            title="Send again?"
            confirmLabel="Send"
            onConfirm={() => start(false)}
          >
            <p>Creates at most 100 new deliveries per second. You can pause or cancel the recovery.</p>
          </ConfirmButton>
        )}
      </div>
      {error !== null && <ErrorNote error={error} />}
    </div>
  );
}
