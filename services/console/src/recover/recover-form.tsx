import { DeliveryState, type Outcome } from "@posthaste/contracts/delivery";
import { useState } from "react";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { Text } from "react-aria-components/Text";
import { TextField } from "react-aria-components/TextField";
import { useSearch } from "wouter";
import { useEventTypes } from "../api/subscriptions.ts";
import { Choice } from "../parts/choice.tsx";
import controls from "../parts/controls.module.css";
import { HOUR_MS } from "../parts/durations.ts";
import { FAILURES } from "../parts/failures.ts";
import { SubscriptionChoice } from "../parts/subscription-choice.tsx";
import { Tick } from "../parts/tick.tsx";
import { localInput } from "../parts/times.ts";
import { Toggles } from "../parts/toggles.tsx";
import styles from "./recover-form.module.css";
import { readSelection, SENDABLE, type Selection, statusesFrom, UNDELIVERED } from "./selection.ts";
import { SendAgainButton } from "./send-again.tsx";

const KINDS = [
  { id: "recover", name: "Deliveries" },
  { id: "replay", name: "Earlier events" },
] as const;

const STATES = {
  [DeliveryState.STARTED]: "Waiting for a retry: make it now",
  [DeliveryState.EXHAUSTED]: "Exhausted: every attempt failed",
  [DeliveryState.BLOCKED]: "Blocked: the address was not allowed",
  [DeliveryState.CANCELLED]: "Cancelled",
  [DeliveryState.SUCCEEDED]: "Succeeded: send again what was accepted",
} as const satisfies Record<(typeof SENDABLE)[number], string>;

/** Chooses what to send again; a dialog then counts it before it sends. */
export function RecoverForm() {
  const [selection, setSelection] = useState<Selection>({ ...UNDELIVERED, ...readSelection(useSearch()) });
  const [since, setSince] = useState(() => localInput(Date.now() - HOUR_MS));
  const [until, setUntil] = useState("");
  const [statuses, setStatuses] = useState("");
  const change = (over: Partial<Selection>) => setSelection({ ...selection, ...over });
  const isRecover = selection.kind === "recover";
  const [sinceMs, untilMs] = [Date.parse(since), until === "" ? undefined : Date.parse(until)];
  const isUntilWrong = untilMs !== undefined && !(untilMs > sinceMs);
  const statusList = statusesFrom(statuses);
  const missing = isRecover
    ? selection.states.length === 0 && "Choose which deliveries to send."
    : selection.subscriptionId === 0 && "Choose a subscription.";
  const isReady = missing === false && !Number.isNaN(sinceMs) && !isUntilWrong && statusList !== undefined;
  return (
    <div className={styles.form}>
      <Toggles
        label="What to send"
        options={KINDS}
        value={selection.kind}
        onChange={(kind) => change({ kind })}
      />
      <p className={styles.about}>
        {isRecover
          ? "Sends what waits and what failed. If you choose a paused or disabled subscription, it is resumed."
          : "Sends a subscription earlier events of its types that it never received."}
      </p>
      <Where selection={selection} onChange={change} />
      <div className={styles.times}>
        <When label="Since" value={since} onChange={setSince} isInvalid={Number.isNaN(sinceMs)} />
        <When label="Until" value={until} onChange={setUntil} isInvalid={isUntilWrong} about="Empty: now." />
      </div>
      {isRecover && (
        <>
          <States states={selection.states} onChange={(states) => change({ states })} />
          <Choice
            label="Last outcome"
            options={FAILURES}
            value={String(selection.outcomes[0] ?? 0)}
            onChange={(id) => change({ outcomes: id === "0" ? [] : [Number(id) as Outcome] })}
          />
          <TextField
            className={controls.field}
            value={statuses}
            onChange={setStatuses}
            isInvalid={statusList === undefined}
          >
            <Label>Last status</Label>
            <Input className={controls.input} placeholder="Any, or such as 500, 503" />
            {statusList === undefined && <Text slot="description">Write statuses such as 500, 503.</Text>}
          </TextField>
        </>
      )}
      <div className={styles.actions}>
        {isReady ? (
          <SendAgainButton
            label="Count and send…"
            isPrimary
            selection={{ ...selection, sinceMs, untilMs, statuses: isRecover ? statusList : [] }}
          />
        ) : (
          <p className={styles.about}>{missing || "Correct the fields that are marked."}</p>
        )}
      </div>
    </div>
  );
}

function Where({ selection, onChange }: { selection: Selection; onChange(over: Partial<Selection>): void }) {
  const eventTypes = useEventTypes();
  return (
    <>
      <SubscriptionChoice
        none={selection.kind === "recover" ? "All subscriptions" : "Choose a subscription"}
        value={selection.subscriptionId}
        onChange={(subscriptionId) => onChange({ subscriptionId })}
      />
      <Choice
        label="Event type"
        options={[
          { id: "", name: "Any event type" },
          ...eventTypes.map(({ code }) => ({ id: code, name: code })),
        ]}
        value={selection.eventTypes[0] ?? ""}
        onChange={(code) => onChange({ eventTypes: code === "" ? [] : [code] })}
      />
    </>
  );
}

function When(props: {
  label: string;
  value: string;
  onChange(value: string): void;
  isInvalid: boolean;
  about?: string;
}) {
  const { label, value, onChange, isInvalid, about = "In your time zone." } = props;
  return (
    <TextField className={controls.field} value={value} onChange={onChange} isInvalid={isInvalid}>
      <Label>{label}</Label>
      <Input type="datetime-local" className={controls.input} />
      <Text slot="description">{about}</Text>
    </TextField>
  );
}

function States(props: { states: readonly DeliveryState[]; onChange(states: DeliveryState[]): void }) {
  const { states, onChange } = props;
  return (
    <fieldset className={styles.states}>
      <legend>Deliveries</legend>
      {SENDABLE.map((state) => (
        <Tick
          key={state}
          isSelected={states.includes(state)}
          onChange={(isChosen) =>
            onChange(SENDABLE.filter((one) => (one === state ? isChosen : states.includes(one))))
          }
        >
          {STATES[state]}
        </Tick>
      ))}
    </fieldset>
  );
}
