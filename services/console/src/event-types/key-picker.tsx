import { useMemo } from "react";
import { Tick } from "../parts/tick.tsx";
import { problemOfJson } from "./json-text.ts";
import styles from "./key-picker.module.css";
import { KEYS_MAX, type Key, offeredKeys } from "./sample-keys.ts";

/** Chooses the fields of the sample by whose values events are found. */
export function KeyPicker(props: {
  sampleText: string;
  keys: readonly Key[];
  onChange(keys: readonly Key[]): void;
  problem: string | undefined;
}) {
  const { sampleText, keys, onChange, problem } = props;
  const offered = useMemo(
    () => (problemOfJson(sampleText) === undefined ? offeredKeys(sampleText, keys) : undefined),
    [sampleText, keys],
  );
  const isFull = keys.length >= KEYS_MAX;
  return (
    <fieldset className={styles.keys}>
      <legend>Keys</legend>
      <p className={styles.about}>
        Events are found by the values of these fields: up to {KEYS_MAX}, for events that are ingested from
        now on.
      </p>
      {offered === undefined && <p className={styles.about}>The sample’s fields appear here.</p>}
      <ul className={styles.list} aria-label="Fields of the sample">
        {offered?.map(({ pointer, value }) => {
          const key = keys.find((one) => one.pointer === pointer);
          return (
            <li key={pointer}>
              <Tick
                isSelected={key !== undefined}
                isDisabled={isFull && key === undefined}
                onChange={(isKey) =>
                  onChange(
                    isKey
                      ? [...keys, { pointer, sensitive: false }]
                      : keys.filter((one) => one.pointer !== pointer),
                  )
                }
              >
                <span className={styles.name}>
                  <span className="mono">{pointer}</span>
                  <span>{value === "" ? "not in the sample" : value}</span>
                </span>
              </Tick>
              {key !== undefined && (
                <Tick
                  isSelected={key.sensitive}
                  onChange={(sensitive) =>
                    onChange(keys.map((one) => (one.pointer === pointer ? { ...one, sensitive } : one)))
                  }
                >
                  <span>
                    Personal data<span className="visually-hidden"> at {pointer}</span>
                  </span>
                </Tick>
              )}
            </li>
          );
        })}
      </ul>
      {problem !== undefined && <p className={styles.problem}>{problem}</p>}
    </fieldset>
  );
}
