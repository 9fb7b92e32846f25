import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { TextField } from "react-aria-components/TextField";
import { Choice } from "./choice.tsx";
import controls from "./controls.module.css";
import { DAY_MS, MINUTE_MS } from "./durations.ts";
import { ANY_TIME, parsed, type Range, rangeOf, SINCES, type Since, sinceOf } from "./time-range.ts";
import { localInput } from "./times.ts";

/**
 * Chooses a time range.
 *
 * @param props.onType called as a field is typed into, perhaps for each key
 */
export function TimeFilter(props: {
  since: Since;
  onChange(since: Since): void;
  onType(since: Since): void;
}) {
  const { since, onChange, onType } = props;
  const range = rangeOf(since);
  const id = range !== undefined ? "range" : (SINCES.find((one) => one.id === since)?.id ?? ANY_TIME);
  return (
    <>
      <Choice
        label="Time"
        options={SINCES}
        value={id}
        onChange={(chosen) => onChange(chosen === "range" ? sinceOf(lastDay(Date.now())) : chosen)}
      />
      {range !== undefined && <RangeFields range={range} onType={(typed) => onType(sinceOf(typed))} />}
    </>
  );
}

function RangeFields({ range, onType }: { range: Range; onType(range: Range): void }) {
  const { from, before } = range;
  const isWrong = from !== undefined && before !== undefined && from >= before;
  const fields = [
    { label: "From", at: from, onChange: (text: string) => onType({ from: parsed(text), before }) },
    { label: "Before", at: before, onChange: (text: string) => onType({ from, before: parsed(text) }) },
  ];
  return fields.map(({ label, at, onChange }) => (
    <TextField
      key={label}
      className={controls.field}
      value={at === undefined ? "" : localInput(at)}
      onChange={onChange}
      isInvalid={isWrong}
    >
      <Label>{label}</Label>
      <Input type="datetime-local" className={controls.input} />
    </TextField>
  ));
}

/** Ends with the current minute, as the fields have no seconds. */
function lastDay(now: number): Range {
  const before = Math.ceil(now / MINUTE_MS) * MINUTE_MS;
  return { from: before - DAY_MS, before };
}
