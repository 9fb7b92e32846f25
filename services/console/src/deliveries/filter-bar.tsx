import type { DeliveryState } from "@posthaste/contracts/delivery";
import { Button } from "react-aria-components/Button";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { TextField } from "react-aria-components/TextField";
import { targetName, useEventTypes, useSubscriptions } from "../api/subscriptions.ts";
import { Choice } from "../parts/choice.tsx";
import controls from "../parts/controls.module.css";
import { DELIVERY_STATES, stateName } from "../parts/delivery-status.ts";
import { DAY_MS, MINUTE_MS } from "../parts/durations.ts";
import { localInput } from "../parts/times.ts";
import styles from "./filter-bar.module.css";
import {
  addressOf,
  type Filters,
  NO_FILTERS,
  parsed,
  type Range,
  rangeOf,
  SINCES,
  sinceOf,
} from "./filters.ts";

const STATES = DELIVERY_STATES.map((state) => ({ id: String(state), name: stateName(state) }));

/**
 * @param onChange called with a chosen filter
 * @param onType called as a field is typed into, perhaps for each key
 */
export function FilterBar(props: {
  filters: Filters;
  onChange(filters: Filters): void;
  onType(filters: Filters): void;
}) {
  const { filters, onChange, onType } = props;
  const subscriptions = useSubscriptions();
  const eventTypes = useEventTypes();
  const range = rangeOf(filters.since);
  const sinceId =
    range !== undefined ? "range" : (SINCES.find(({ id }) => id === filters.since)?.id ?? "all");
  const isFiltered = addressOf(filters) !== addressOf(NO_FILTERS);
  return (
    <search className={styles.bar} aria-label="Filter deliveries">
      <Choice
        label="State"
        options={STATES}
        value={String(filters.state)}
        onChange={(state) => onChange({ ...filters, state: Number(state) as DeliveryState })}
      />
      <Choice
        label="Event type"
        options={[
          { id: "", name: "Any event type" },
          ...eventTypes.map(({ code }) => ({ id: code, name: code })),
        ]}
        value={filters.eventType}
        onChange={(eventType) => onChange({ ...filters, eventType })}
      />
      <Choice
        label="Subscription"
        options={[
          { id: "0", name: "Any subscription" },
          ...subscriptions.map(({ id }) => ({ id: String(id), name: targetName(subscriptions, id) })),
        ]}
        value={String(filters.subscriptionId)}
        onChange={(id) => onChange({ ...filters, subscriptionId: Number(id) })}
      />
      <Choice
        label="Time"
        options={SINCES}
        value={sinceId}
        onChange={(id) => onChange({ ...filters, since: id === "range" ? sinceOf(lastDay(Date.now())) : id })}
      />
      {range !== undefined && (
        <RangeFields range={range} onType={(typed) => onType({ ...filters, since: sinceOf(typed) })} />
      )}
      {isFiltered && (
        <Button className={`${controls.button} ${styles.clear}`} onPress={() => onChange(NO_FILTERS)}>
          Clear filters
        </Button>
      )}
    </search>
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
