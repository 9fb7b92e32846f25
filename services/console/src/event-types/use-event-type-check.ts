import { useMutation } from "@connectrpc/connect-query";
import { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { useEffect, useRef, useState } from "react";
import { answerOfError, type CheckAnswer } from "./check-answer.ts";
import { createRequestOf, type EventTypeDraft, updateRequestOf } from "./event-type-draft.ts";
import { type CheckState, createLatestCheck, type LatestCheck } from "./latest-check.ts";

const { createEventType, updateEventType } = EventCatalogService.method;

/**
 * Asks the API what it would say of a draft, while it is typed.
 *
 * @param draft undefined: there is nothing to ask
 * @param basedOn the version that it changes. Undefined: the event type is new
 */
export function useEventTypeCheck(
  draft: EventTypeDraft | undefined,
  basedOn: number | undefined,
): CheckState<CheckAnswer> {
  const [state, setState] = useState<CheckState<CheckAnswer>>({ kind: "none" });
  const { mutateAsync: create } = useMutation(createEventType);
  const { mutateAsync: update } = useMutation(updateEventType);
  const check = async (asked: EventTypeDraft): Promise<CheckAnswer> => {
    try {
      if (basedOn === undefined) {
        await create({ ...createRequestOf(asked), validateOnly: true });
        return { kind: "fits", text: "This event type can be created." };
      }
      const { eventType } = await update({ ...updateRequestOf(asked), validateOnly: true });
      const latest = (eventType?.version ?? 1) - 1;
      return latest === basedOn
        ? { kind: "fits", text: `Receivers of version ${basedOn} can read this.` }
        : { kind: "unchecked", text: `Version ${latest} was stored meanwhile. Reload the page to see it.` };
    } catch (error) {
      return answerOfError(error, asked);
    }
  };
  const latest = useRef(check);
  latest.current = check;
  const checks = useRef<LatestCheck<EventTypeDraft>>(null);
  useEffect(() => {
    const started = createLatestCheck({
      check: (asked: EventTypeDraft) => latest.current(asked),
      show: setState,
    });
    checks.current = started;
    return () => started.stop();
  }, []);
  useEffect(() => checks.current?.ask(draft), [draft]);
  return state;
}
