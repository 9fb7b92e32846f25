import { useId, useState } from "react";
import { Button } from "react-aria-components/Button";
import { Input } from "react-aria-components/Input";
import { SearchField } from "react-aria-components/SearchField";
import { useEventTypes } from "../api/subscriptions.ts";
import controls from "../parts/controls.module.css";
import { Tick } from "../parts/tick.tsx";
import styles from "./subscription-form.module.css";

const EVERY = "*";

/** Chooses from the catalogue: some of it, or all. */
export function TypePicker(props: {
  chosen: readonly string[];
  onChange(types: string[]): void;
  onLookAt?: ((code: string) => void) | undefined;
}) {
  const { chosen, onChange, onLookAt } = props;
  const eventTypes = useEventTypes();
  const [sought, setSought] = useState("");
  const id = useId();
  const isEvery = chosen.includes(EVERY);
  const shown = eventTypes.filter(({ code }) => code.includes(sought.trim().toLowerCase()));
  return (
    <fieldset className={styles.types}>
      <legend>Event types</legend>
      <div className={styles.typesHead}>
        <Tick isSelected={isEvery} onChange={(every) => onChange(every ? [EVERY] : [])}>
          Every type, also those added later
        </Tick>
        <SearchField
          aria-label="Find an event type"
          value={sought}
          onChange={setSought}
          className={styles.search}
        >
          <Input className={controls.input} placeholder="Find…" />
        </SearchField>
      </div>
      <ul className={styles.typeList} id={id} aria-label="The catalogue">
        {shown.map(({ code, description }) => (
          <li key={code}>
            <Tick
              isSelected={isEvery || chosen.includes(code)}
              isDisabled={isEvery}
              onChange={(isChosen) => {
                onChange(isChosen ? [...chosen, code] : chosen.filter((one) => one !== code));
                onLookAt?.(code);
              }}
            >
              <span className={styles.type}>
                <span className="mono">{code}</span>
                <span>{description}</span>
              </span>
            </Tick>
            {onLookAt !== undefined && (
              <Button
                className={`${controls.button} ${controls.small} ${styles.look}`}
                aria-label={`Show a sample of ${code}`}
                onPress={() => onLookAt(code)}
              >
                Sample
              </Button>
            )}
          </li>
        ))}
        {shown.length === 0 && <li className={styles.none}>No event type is called that.</li>}
      </ul>
    </fieldset>
  );
}
