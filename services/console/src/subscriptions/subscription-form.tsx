import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { Acceptance, type Subscription } from "@posthaste/contracts/subscription";
import { type FormEvent, useState } from "react";
import { Button } from "react-aria-components/Button";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { Text } from "react-aria-components/Text";
import { TextField } from "react-aria-components/TextField";
import { Choice } from "../parts/choice.tsx";
import controls from "../parts/controls.module.css";
import { ErrorNote } from "../parts/error-note.tsx";
import styles from "./subscription-form.module.css";
import { TypePicker } from "./type-picker.tsx";

/** The form's values, for a new or an existing subscription. */
export type Draft = {
  readonly targetUrl: string;
  readonly eventTypes: readonly string[];
  readonly description: string;
  /** The receiver's credential. Empty: none for a new subscription, unchanged for an existing one. */
  readonly secret: string;
  readonly acceptance: Acceptance;
  readonly timeoutS: string;
  /** The maximum number of attempts per second. Empty: no limit. */
  readonly ratePerSecond: string;
  /** The maximum number of concurrent attempts. Empty: the default. */
  readonly concurrency: string;
};

export const NEW_DRAFT: Draft = {
  targetUrl: "",
  eventTypes: [],
  description: "",
  secret: "",
  acceptance: Acceptance.OK_ONLY,
  timeoutS: "15",
  ratePerSecond: "",
  concurrency: "",
};

export function draftOf(subscription: Subscription): Draft {
  return {
    targetUrl: subscription.targetUrl,
    eventTypes: subscription.eventTypes,
    description: subscription.description,
    secret: "",
    acceptance: subscription.acceptance,
    timeoutS: String(subscription.timeout === undefined ? 15 : durationMs(subscription.timeout) / 1_000),
    ratePerSecond: subscription.rateLimit === undefined ? "" : String(subscription.rateLimit.perSecond),
    concurrency: subscription.concurrency === 0 ? "" : String(subscription.concurrency),
  };
}

/** Converts a draft to a request of either RPC, without the secret. */
export function requestOf(draft: Draft) {
  const { targetUrl, eventTypes, description, acceptance, timeoutS, ratePerSecond, concurrency } = draft;
  return {
    targetUrl: targetUrl.trim(),
    eventTypes: [...eventTypes],
    description,
    acceptance,
    timeout: durationFromMs(Number(timeoutS) * 1_000),
    rateLimit: { perSecond: Number(ratePerSecond) },
    concurrency: Number(concurrency),
  };
}

export function SubscriptionForm(props: {
  draft: Draft;
  onChange(draft: Draft): void;
  submit: string;
  hasSecret?: boolean;
  isBusy: boolean;
  error: unknown;
  onSubmit(): void;
  onShowSample?(code: string): void;
  children?: React.ReactNode;
}) {
  const {
    draft,
    onChange,
    submit,
    hasSecret = false,
    isBusy,
    error,
    onSubmit,
    onShowSample,
    children,
  } = props;
  const [problem, setProblem] = useState("");
  const set = <K extends keyof Draft>(key: K, value: Draft[K]) => onChange({ ...draft, [key]: value });
  const send = (event: FormEvent) => {
    event.preventDefault();
    const nextProblem = problemOf(draft);
    setProblem(nextProblem);
    if (nextProblem === "") onSubmit();
  };
  return (
    <form className={styles.form} onSubmit={send} noValidate>
      <TextField
        className={controls.field}
        value={draft.targetUrl}
        onChange={(value) => set("targetUrl", value)}
        type="url"
        isRequired
      >
        <Label>Target URL</Label>
        <Input
          className={controls.input}
          placeholder="https://yoursite.example/webhooks"
          spellCheck="false"
        />
        <Text slot="description">Events are sent here by POST. Respond with 200 to accept an event.</Text>
      </TextField>
      {children}
      <TypePicker
        chosen={draft.eventTypes}
        onChange={(types) => set("eventTypes", types)}
        onShowSample={onShowSample}
      />
      <TextField
        className={controls.field}
        value={draft.description}
        onChange={(value) => set("description", value)}
        maxLength={255}
      >
        <Label>Description</Label>
        <Input className={controls.input} placeholder="Who or what receives the events" />
      </TextField>
      <details className={styles.more}>
        <summary>More options</summary>
        <div className={styles.moreFields}>
          <TextField
            className={controls.field}
            value={draft.secret}
            onChange={(value) => set("secret", value)}
            type="password"
            autoComplete="new-password"
          >
            <Label>Receiver credential</Label>
            <Input className={controls.input} placeholder={hasSecret ? "unchanged" : "none"} />
            <Text slot="description">Sent as Authorization: Basic. Never shown again.</Text>
          </TextField>
          <Choice
            label="Accepted statuses"
            options={[
              { id: String(Acceptance.OK_ONLY), name: "Only 200" },
              { id: String(Acceptance.ANY_2XX), name: "200 to 299" },
            ]}
            value={String(draft.acceptance)}
            onChange={(value) => set("acceptance", Number(value) as Acceptance)}
          />
          <TextField
            className={controls.field}
            value={draft.timeoutS}
            onChange={(value) => set("timeoutS", value)}
            inputMode="numeric"
          >
            <Label>Attempt timeout in seconds</Label>
            <Input className={controls.input} />
            <Text slot="description">1 to 30, for the whole attempt.</Text>
          </TextField>
          <TextField
            className={controls.field}
            value={draft.ratePerSecond}
            onChange={(value) => set("ratePerSecond", value)}
            inputMode="decimal"
          >
            <Label>Attempts per second</Label>
            <Input className={controls.input} placeholder="no limit" />
            <Text slot="description">0.01 to 1,000, across all workers.</Text>
          </TextField>
          <TextField
            className={controls.field}
            value={draft.concurrency}
            onChange={(value) => set("concurrency", value)}
            inputMode="numeric"
          >
            <Label>Concurrent attempts</Label>
            <Input className={controls.input} placeholder="default" />
            <Text slot="description">1 to 1,000.</Text>
          </TextField>
        </div>
      </details>
      {problem !== "" && <p className={styles.problem}>{problem}</p>}
      {error !== null && error !== undefined && <ErrorNote error={error} />}
      <Button
        type="submit"
        className={`${controls.button} ${controls.primary} ${styles.submit}`}
        isDisabled={isBusy}
      >
        {submit}
      </Button>
    </form>
  );
}

function problemOf({ targetUrl, eventTypes, timeoutS, ratePerSecond, concurrency }: Draft): string {
  if (!/^https?:\/\/\S+$/.test(targetUrl.trim())) return "Enter a URL that starts with https:// or http://.";
  if (eventTypes.length === 0) return "Choose at least one event type.";
  const seconds = Number(timeoutS);
  if (!(seconds >= 1 && seconds <= 30)) return "Enter an attempt timeout of 1 to 30 seconds.";
  if (!(Number(ratePerSecond) >= 0 && Number(ratePerSecond) <= 1_000))
    return "Enter at most 1,000 attempts per second.";
  const concurrent = Number(concurrency);
  if (!(Number.isInteger(concurrent) && concurrent >= 0 && concurrent <= 1_000))
    return "Enter 1 to 1,000 concurrent attempts.";
  return "";
}
