import { type RefObject, useEffect, useState } from "react";
import { type DraftProblems, problemsIn, problemsOf } from "./draft-problems.ts";
import type { Draft } from "./subscription-draft.ts";

/**
 * Keeps the problems of a form's draft: those found before it is sent, then those that the API finds. A
 * field's problem goes away when the field is changed. The focus goes to the first one.
 *
 * @param error why the last request failed; null if it did not
 */
export function useDraftProblems(form: RefObject<HTMLFormElement | null>, error: unknown) {
  const [problems, setProblems] = useState<DraftProblems>({});
  // Counts the times that problems were found.
  const [round, setRound] = useState(0);
  const show = (found: DraftProblems) => {
    setProblems(found);
    setRound((before) => before + 1);
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: only another error is shown
  useEffect(() => {
    if (error != null) show(problemsIn(error).fields);
  }, [error]);
  useEffect(() => {
    if (round > 0) firstProblem(form.current)?.focus();
  }, [form, round]);
  return {
    problems,
    forget(field: keyof Draft) {
      if (problems[field] !== undefined) setProblems({ ...problems, [field]: undefined });
    },
    /** Shows the draft's problems. Returns whether there are none. */
    check(draft: Draft): boolean {
      const found = problemsOf(draft);
      show(found);
      return Object.keys(found).length === 0;
    },
  };
}

/** Returns the first invalid field; the form's head if what is wrong belongs to no field. */
function firstProblem(form: HTMLFormElement | null): HTMLElement | null | undefined {
  return form?.querySelector<HTMLElement>('[aria-invalid="true"]') ?? form?.querySelector("[role=alert]");
}
