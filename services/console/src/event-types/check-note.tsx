import { CircleCheck, CircleHelp, LoaderCircle, TriangleAlert } from "lucide-react";
import type { CheckAnswer } from "./check-answer.ts";
import styles from "./check-note.module.css";
import type { CheckState } from "./latest-check.ts";

/** Says whether a draft can be stored, and what it would break for receivers. */
export function CheckNote({
  state,
  version,
}: {
  state: CheckState<CheckAnswer>;
  version: number | undefined;
}) {
  return (
    <div className={styles.note} role="status" data-tone={toneOf(state)}>
      {state.kind === "none" && <p className={styles.quiet}>What you type is checked here.</p>}
      {state.kind === "checking" && (
        <p className={styles.quiet}>
          <LoaderCircle size={16} aria-hidden="true" />
          {state.isSlow ? "This check takes long. You can go on typing." : "Checking…"}
        </p>
      )}
      {state.kind === "answered" && <Answer answer={state.answer} version={version} />}
    </div>
  );
}

function Answer({ answer, version }: { answer: CheckAnswer; version: number | undefined }) {
  switch (answer.kind) {
    case "fits":
      return (
        <p>
          <CircleCheck size={16} aria-hidden="true" /> {answer.text}
        </p>
      );
    case "unchecked":
      return (
        <p>
          <CircleHelp size={16} aria-hidden="true" /> {answer.text}
        </p>
      );
    case "wrong":
      return (
        <p>
          <TriangleAlert size={16} aria-hidden="true" /> {answer.problem.text}
        </p>
      );
    case "breaks":
      return (
        <>
          <p>
            <TriangleAlert size={16} aria-hidden="true" /> Receivers of version {version} could not read this:
          </p>
          <ul className={styles.breaks}>
            {answer.breaks.map(({ place, text }) => (
              <li key={place + text}>
                {place !== "" && <code>{place}</code>} {text}
              </li>
            ))}
          </ul>
          {answer.mayBeMore && <p>There may be more.</p>}
        </>
      );
  }
}

function toneOf(state: CheckState<CheckAnswer>): "good" | "bad" | "unknown" {
  if (state.kind !== "answered" || state.answer.kind === "unchecked") return "unknown";
  return state.answer.kind === "fits" ? "good" : "bad";
}
