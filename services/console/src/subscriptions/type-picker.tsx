import { useId, useState } from "react";
import { Button } from "react-aria-components/Button";
import { Input } from "react-aria-components/Input";
import { SearchField } from "react-aria-components/SearchField";
import { useEventTypes } from "../api/subscriptions.ts";
import controls from "../parts/controls.module.css";
import { Tick } from "../parts/tick.tsx";
import styles from "./subscription-form.module.css";

const EVERY = "*";

/** Chooses some or all event types of the catalogue. */
export function TypePicker(props: {
  chosen: readonly string[];
  onChange(types: string[]): void;
  problem: string | undefined;
  onShowSample?: ((code: string) => void) | undefined;
}) {
  const { chosen, onChange, problem, onShowSample } = props;
  const eventTypes = useEventTypes();
  const [query, setQuery] = useState("");
  const id = useId();
  const problemId = useId();
  const isEvery = chosen.includes(EVERY);
  const shown = eventTypes.filter(({ code }) => code.includes(query.trim().toLowerCase()));
  return (
    <fieldset className={styles.types}>
      <legend>Event types</legend>
      <div className={styles.typesHead}>
        <Tick
          isSelected={isEvery}
          onChange={(every) => onChange(every ? [EVERY] : [])}
          isInvalid={problem !== undefined}
          aria-describedby={problemId}
        >
          All types that platforms send, including future types
        </Tick>
        <SearchField
          aria-label="Find an event type"
          value={query}
          onChange={setQuery}
          className={styles.search}
        >
          <Input className={controls.input} placeholder="Find…" />
        </SearchField>
      </div>
      <ul className={styles.typeList} id={id} aria-label="Event catalogue">
        {shown.map(({ code, description }) => (
          <li key={code}>
            <Tick
              isSelected={isEvery || chosen.includes(code)}
              isDisabled={isEvery}
              onChange={(isChosen) => {
                onChange(isChosen ? [...chosen, code] : chosen.filter((type) => type !== code));
                onShowSample?.(code);
              }}
            >
              <span className={styles.type}>
                <span className="mono">{code}</span>
                <span>{description}</span>
              </span>
            </Tick>
            {onShowSample !== undefined && (
              <Button
                className={`${controls.button} ${controls.small} ${styles.look}`}
                aria-label={`Show a sample of ${code}`}
                onPress={() => onShowSample(code)}
              >
                Sample
              </Button>
            )}
          </li>
        ))}
        {shown.length === 0 && <li className={styles.none}>No event types match.</li>}
      </ul>
      <p id={problemId} className={controls.problem}>
        {problem}
      </p>
    </fieldset>
  );
}
