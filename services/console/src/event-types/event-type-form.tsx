import { useMutation } from "@connectrpc/connect-query";
import { EventCatalogService, type EventType } from "@posthaste/contracts/event_catalog";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useMemo, useState } from "react";
import { Button } from "react-aria-components/Button";
import { FieldError } from "react-aria-components/FieldError";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { TextField } from "react-aria-components/TextField";
import { Link, useLocation } from "wouter";
import controls from "../parts/controls.module.css";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card } from "../parts/layout.tsx";
import { Tick } from "../parts/tick.tsx";
import { useSession } from "../session/session-context.tsx";
import { CheckNote } from "./check-note.tsx";
import { CodeField } from "./code-field.tsx";
import {
  createRequestOf,
  type DraftField,
  draftOfType,
  type EventTypeDraft,
  isSame,
  NEW_EVENT_TYPE,
  problemsOfDraft,
  updateRequestOf,
} from "./event-type-draft.ts";
import styles from "./event-type-form.module.css";
import { KeyPicker } from "./key-picker.tsx";
import { useEventTypeCheck } from "./use-event-type-check.ts";

/** @param before the event type to change. Undefined: a new one */
export function EventTypeForm({ before }: { before: EventType | undefined }) {
  const start = useMemo(() => (before === undefined ? NEW_EVENT_TYPE : draftOfType(before)), [before]);
  const [draft, setDraft] = useState(start);
  const [allowsBreaking, setAllowsBreaking] = useState(false);
  const isUnchanged = before !== undefined && isSame(draft, start);
  const problems = useMemo(() => problemsOfDraft(draft), [draft]);
  const check = useEventTypeCheck(isUnchanged || problems.length > 0 ? undefined : draft, before?.version);
  const answer = check.kind === "answered" ? check.answer : undefined;
  const isBreaking = answer?.kind === "breaks";
  const save = useSave(draft, before, isBreaking && allowsBreaking);
  const problemOf = (field: DraftField) =>
    [...problems, ...(answer?.kind === "wrong" ? [answer.problem] : [])].find((one) => one.field === field);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!save.isPending) save.submit();
  };
  const isBlocked = isUnchanged || problems.length > 0 || (isBreaking && !allowsBreaking);
  return (
    <form className={styles.columns} onSubmit={submit} noValidate>
      <Card>
        <Fields draft={draft} isNew={before === undefined} onChange={setDraft} problemOf={problemOf} />
      </Card>
      <div className={styles.side}>
        <CheckNote state={check} version={before?.version} />
        {isBreaking && (
          <Tick isSelected={allowsBreaking} onChange={setAllowsBreaking}>
            Store it anyway: I have told the receivers
          </Tick>
        )}
        {save.error !== null && <ErrorNote error={save.error} />}
        <div className={styles.actions}>
          <Button
            type="submit"
            className={`${controls.button} ${controls.primary}`}
            isDisabled={isBlocked || save.isPending}
          >
            {before === undefined ? "Create event type" : `Store as version ${before.version + 1}`}
          </Button>
          <Link href={before === undefined ? "/event-types" : `/event-types/${before.code}`}>Cancel</Link>
        </div>
      </div>
    </form>
  );
}

function Fields(props: {
  draft: EventTypeDraft;
  isNew: boolean;
  onChange(draft: EventTypeDraft): void;
  problemOf(field: DraftField): { readonly text: string; readonly line?: number } | undefined;
}) {
  const { draft, isNew, onChange, problemOf } = props;
  const { can } = useSession();
  const set = (over: Partial<EventTypeDraft>) => onChange({ ...draft, ...over });
  // Nobody has typed yet: what is missing is no mistake.
  const codeProblem = draft.code === "" ? undefined : problemOf("code")?.text;
  return (
    <div className={styles.fields}>
      {isNew && (
        <TextField
          className={controls.field}
          value={draft.code}
          onChange={(code) => set({ code })}
          isInvalid={codeProblem !== undefined}
          maxLength={64}
          isRequired
        >
          <Label>Code</Label>
          <Input className={`${controls.input} mono`} placeholder="parcel_sent" spellCheck="false" />
          <FieldError className={styles.problem}>{codeProblem}</FieldError>
        </TextField>
      )}
      <TextField
        className={controls.field}
        value={draft.description}
        onChange={(description) => set({ description })}
        isInvalid={problemOf("description") !== undefined}
        maxLength={500}
      >
        <Label>Description</Label>
        <Input className={controls.input} placeholder="What the event reports, in one sentence" />
        <FieldError className={styles.problem}>{problemOf("description")?.text}</FieldError>
      </TextField>
      {isNew && can("admin") && (
        <Tick isSelected={draft.isShared} onChange={(isShared) => set({ isShared })}>
          Share it with all accounts
        </Tick>
      )}
      <CodeField
        label="JSON Schema"
        about="JSON Schema 2020-12 of the snapshot."
        value={draft.schemaText}
        onChange={(schemaText) => set({ schemaText })}
        problem={problemOf("schema")?.text}
        problemLine={problemOf("schema")?.line}
        rows={16}
      />
      <CodeField
        label="Sample"
        about="A snapshot that matches the schema."
        value={draft.sampleText}
        onChange={(sampleText) => set({ sampleText })}
        problem={problemOf("sample")?.text}
        problemLine={problemOf("sample")?.line}
        rows={10}
      />
      <KeyPicker
        sampleText={draft.sampleText}
        keys={draft.keys}
        onChange={(keys) => set({ keys })}
        problem={problemOf("keys")?.text}
      />
    </div>
  );
}

function useSave(draft: EventTypeDraft, before: EventType | undefined, allowBreaking: boolean) {
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const onSuccess = async () => {
    await queries.invalidateQueries();
    navigate(`/event-types/${draft.code}`);
  };
  const create = useMutation(EventCatalogService.method.createEventType, { onSuccess });
  const update = useMutation(EventCatalogService.method.updateEventType, { onSuccess });
  return {
    submit: () =>
      before === undefined
        ? create.mutate(createRequestOf(draft))
        : update.mutate({ ...updateRequestOf(draft), allowBreaking }),
    isPending: create.isPending || update.isPending,
    error: create.error ?? update.error,
  };
}
