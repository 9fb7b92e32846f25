import { Acceptance } from "@posthaste/contracts/subscription";
import { type FormEvent, useRef, useState } from "react";
import { Button } from "react-aria-components/Button";
import { Choice } from "../parts/choice.tsx";
import controls from "../parts/controls.module.css";
import { ErrorNote } from "../parts/error-note.tsx";
import { FormField } from "../parts/form-field.tsx";
import { type DraftProblems, problemsIn } from "./draft-problems.ts";
import { MoreOptionsFields } from "./more-options-fields.tsx";
import type { Draft } from "./subscription-draft.ts";
import styles from "./subscription-form.module.css";
import { TypePicker } from "./type-picker.tsx";
import { useDraftProblems } from "./use-draft-problems.ts";

type SetField = <Field extends keyof Draft>(field: Field, value: Draft[Field]) => void;
type FieldsProps = { draft: Draft; problems: DraftProblems; set: SetField };

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
  const { draft, onChange, submit, hasSecret = false, isBusy, error, onSubmit, onShowSample } = props;
  const form = useRef<HTMLFormElement>(null);
  const { problems, forget, check } = useDraftProblems(form, error);
  const set: SetField = (field, value) => {
    forget(field);
    onChange({ ...draft, [field]: value });
  };
  const send = (event: FormEvent) => {
    event.preventDefault();
    if (!isBusy && check(draft)) onSubmit();
  };
  return (
    <form ref={form} className={styles.form} onSubmit={send} noValidate>
      <HeadProblem error={isBusy ? null : error} />
      <FormField
        label="Target URL"
        placeholder="https://yoursite.example/webhooks"
        about="Events are sent here by POST. Respond with 200 to accept an event."
        problem={problems.targetUrl}
        value={draft.targetUrl}
        onChange={(value) => set("targetUrl", value)}
        type="url"
        spellCheck="false"
        isRequired
      />
      {props.children}
      <TypePicker
        chosen={draft.eventTypes}
        onChange={(types) => set("eventTypes", types)}
        problem={problems.eventTypes}
        onShowSample={onShowSample}
      />
      <FormField
        label="Description"
        placeholder="Who or what receives the events"
        problem={problems.description}
        value={draft.description}
        onChange={(value) => set("description", value)}
        maxLength={255}
      />
      <MoreOptions draft={draft} problems={problems} set={set} hasSecret={hasSecret} />
      <Button
        type="submit"
        className={`${controls.button} ${controls.primary} ${styles.submit}`}
        isPending={isBusy}
      >
        {submit}
      </Button>
    </form>
  );
}

/** Shows what is wrong with no field of the form. */
function HeadProblem({ error }: { error: unknown }) {
  if (error === null || error === undefined) return null;
  const { fields, others } = problemsIn(error);
  if (Object.keys(fields).length === 0) return <ErrorNote error={error} />;
  return others.length === 0 ? null : <ErrorNote error={new Error(others.join(" "))} />;
}

function MoreOptions({ draft, problems, set, hasSecret }: FieldsProps & { hasSecret: boolean }) {
  const [isOpen, setOpen] = useState(false);
  const { secret, timeoutS, ratePerSecond, concurrency, more } = problems;
  const hasProblem = [secret, timeoutS, ratePerSecond, concurrency, more].some(
    (problem) => problem !== undefined,
  );
  return (
    <details
      className={styles.more}
      open={isOpen || hasProblem}
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary>More options</summary>
      <div className={styles.moreFields}>
        <FormField
          label="Receiver credential"
          placeholder={hasSecret ? "unchanged" : "none"}
          about="Sent as Authorization: Basic. Never shown again."
          problem={problems.secret}
          value={draft.secret}
          onChange={(value) => set("secret", value)}
          type="password"
          autoComplete="new-password"
          maxLength={255}
        />
        <Choice
          label="Accepted statuses"
          options={[
            { id: String(Acceptance.OK_ONLY), name: "Only 200" },
            { id: String(Acceptance.ANY_2XX), name: "200 to 299" },
          ]}
          value={String(draft.acceptance)}
          onChange={(value) => set("acceptance", Number(value) as Acceptance)}
        />
        <Limits draft={draft} problems={problems} set={set} />
        <MoreOptionsFields
          options={draft.more}
          onChange={(changed) => set("more", changed)}
          canRemoveSecret={hasSecret && draft.secret === ""}
          hasRate={draft.ratePerSecond.trim() !== ""}
        />
        {more !== undefined && (
          <p className={controls.problem} role="alert" tabIndex={-1}>
            {more}
          </p>
        )}
      </div>
    </details>
  );
}

function Limits({ draft, problems, set }: FieldsProps) {
  return (
    <>
      <FormField
        label="Attempt timeout in seconds"
        about="1 to 30, for the whole attempt."
        problem={problems.timeoutS}
        value={draft.timeoutS}
        onChange={(value) => set("timeoutS", value)}
        inputMode="numeric"
      />
      <FormField
        label="Attempts per second"
        placeholder="no limit"
        about="0.01 to 1,000, across all workers."
        problem={problems.ratePerSecond}
        value={draft.ratePerSecond}
        onChange={(value) => set("ratePerSecond", value)}
        inputMode="decimal"
      />
      <FormField
        label="Concurrent attempts"
        placeholder="default"
        about="1 to 1,000."
        problem={problems.concurrency}
        value={draft.concurrency}
        onChange={(value) => set("concurrency", value)}
        inputMode="numeric"
      />
    </>
  );
}
