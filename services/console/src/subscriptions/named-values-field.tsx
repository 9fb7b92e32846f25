import { Plus, X } from "lucide-react";
import { Button } from "react-aria-components/Button";
import { Input } from "react-aria-components/Input";
import { TextField } from "react-aria-components/TextField";
import controls from "../parts/controls.module.css";
import { type NamedValue, newRow } from "./named-values.ts";
import styles from "./named-values-field.module.css";

/** The API takes at most as many headers, and as many entries of metadata. */
const ROWS_MAX = 20;

/** Rows of names and values, each of which can be changed or removed. */
export function NamedValuesField(props: {
  label: string;
  /** What a row is, such as `header`. */
  what: string;
  about: string;
  /** True: what is typed is not shown. */
  isSecret?: boolean;
  rows: readonly NamedValue[];
  onChange(rows: readonly NamedValue[]): void;
}) {
  const { label, what, about, isSecret = false, rows, onChange } = props;
  const change = (key: number, over: Partial<NamedValue>) =>
    onChange(rows.map((row) => (row.key === key ? { ...row, ...over } : row)));
  return (
    <fieldset className={styles.named}>
      <legend>{label}</legend>
      <p className={styles.about}>{about}</p>
      {rows.map(({ key, name, value, isStored }, i) => {
        const called = name === "" ? `${what} ${i + 1}` : `${what} ${name}`;
        return (
          <div key={key} className={styles.row}>
            <TextField
              aria-label={`Name of ${what} ${i + 1}`}
              value={name}
              isReadOnly={isStored}
              onChange={(typed) => change(key, { name: typed })}
            >
              <Input className={`${controls.input} mono`} placeholder="name" spellCheck="false" />
            </TextField>
            <TextField
              aria-label={`Value of ${called}`}
              value={value}
              onChange={(typed) => change(key, { value: typed })}
              {...(isSecret ? { type: "password", autoComplete: "new-password" } : {})}
            >
              <Input className={controls.input} placeholder={isStored ? "unchanged" : "value"} />
            </TextField>
            <Button
              className={`${controls.button} ${controls.icon}`}
              aria-label={`Remove ${called}`}
              onPress={() => onChange(rows.filter((row) => row.key !== key))}
            >
              <X size={16} aria-hidden="true" />
            </Button>
          </div>
        );
      })}
      {rows.length < ROWS_MAX && (
        <Button
          className={`${controls.button} ${controls.small} ${styles.add}`}
          onPress={() => onChange([...rows, newRow()])}
        >
          <Plus size={15} aria-hidden="true" /> Add {/^[aeiou]/.test(what) ? "an" : "a"} {what}
        </Button>
      )}
    </fieldset>
  );
}
