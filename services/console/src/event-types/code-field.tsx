import { useId, useRef } from "react";
import { Button } from "react-aria-components/Button";
import controls from "../parts/controls.module.css";
import styles from "./code-field.module.css";
import { formatted, problemOfJson } from "./json-text.ts";

/**
 * A text field for JSON, with line numbers. It is a plain text area: an editor such as CodeMirror brings its
 * styles along as `<style>`, which the page's policy refuses, and takes the Tab key from those who use it.
 */
export function CodeField(props: {
  label: string;
  about?: string;
  value: string;
  onChange(value: string): void;
  problem?: string | undefined;
  /** The line of the problem, from 1. */
  problemLine?: number | undefined;
  rows: number;
}) {
  const { label, about, value, onChange, problem, problemLine, rows } = props;
  const id = useId();
  const numbers = useRef<HTMLOListElement>(null);
  const count = value.split("\n").length;
  return (
    <div className={styles.field}>
      <div className={styles.head}>
        <label htmlFor={id}>{label}</label>
        <Button
          className={`${controls.button} ${controls.small}`}
          isDisabled={problemOfJson(value) !== undefined}
          onPress={() => onChange(formatted(value))}
          aria-label={`Format ${label}`}
        >
          Format
        </Button>
      </div>
      <div className={styles.code} data-invalid={problem !== undefined || undefined}>
        <ol ref={numbers} className={styles.numbers} aria-hidden="true">
          {Array.from({ length: count }, (_, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a line's number is what it is
            <li key={i} data-problem={i + 1 === problemLine || undefined}>
              {i + 1}
            </li>
          ))}
        </ol>
        <textarea
          id={id}
          className={styles.text}
          value={value}
          rows={rows}
          wrap="off"
          spellCheck={false}
          autoCapitalize="off"
          aria-invalid={problem !== undefined}
          aria-describedby={`${id}-about`}
          onChange={({ target }) => onChange(target.value)}
          onScroll={({ currentTarget }) => {
            if (numbers.current !== null) numbers.current.scrollTop = currentTarget.scrollTop;
          }}
        />
      </div>
      <p id={`${id}-about`} className={problem === undefined ? styles.about : styles.problem}>
        {problem ?? about}
      </p>
    </div>
  );
}
