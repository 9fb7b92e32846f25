import { DeliveryState } from "@posthaste/contracts/delivery";
import { Button } from "react-aria-components/Button";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { TextField } from "react-aria-components/TextField";
import { targetName, useEventTypes, useSubscriptions } from "../api/subscriptions.ts";
import { DELIVERY_STATES } from "../parts/badge.tsx";
import { Choice } from "../parts/choice.tsx";
import controls from "../parts/controls.module.css";
import { DAY_MS } from "../parts/durations.ts";
import { localInput } from "../parts/times.ts";
import styles from "./filter-bar.module.css";
import { type Filters, SINCES, timesOf } from "./filters.ts";

const STATES = Object.entries(DELIVERY_STATES).map(([id, [name]]) => ({ id, name }));

export function FilterBar({ filters, onChange }: { filters: Filters; onChange(filters: Filters): void }) {
  const subscriptions = useSubscriptions();
  const eventTypes = useEventTypes();
  const isRange = filters.since.includes("~");
  const sinceId = isRange ? "range" : (SINCES.find(({ id }) => id === filters.since)?.id ?? "all");
  const isFiltered =
    filters.state + filters.subscriptionId > 0 || filters.eventType !== "" || filters.since !== "all";
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
        onChange={(id) => {
          const now = Date.now();
          onChange({
            ...filters,
            since: id === "range" ? `${localInput(now - DAY_MS)}~${localInput(now)}` : id,
          });
        }}
      />
      {isRange && <RangeFields filters={filters} onChange={onChange} />}
      {isFiltered && (
        <Button
          className={`${controls.button} ${styles.clear}`}
          onPress={() =>
            onChange({ state: DeliveryState.UNSPECIFIED, eventType: "", subscriptionId: 0, since: "all" })
          }
        >
          Clear filters
        </Button>
      )}
    </search>
  );
}

function RangeFields({ filters, onChange }: { filters: Filters; onChange(filters: Filters): void }) {
  const [from = "", before = ""] = filters.since.split("~");
  const times = timesOf(filters.since, Date.now());
  const isWrong = times.from !== undefined && times.before !== undefined && times.from >= times.before;
  return (
    <>
      <TextField
        className={controls.field}
        value={from}
        onChange={(value) => onChange({ ...filters, since: `${value}~${before}` })}
        isInvalid={isWrong}
      >
        <Label>From</Label>
        <Input type="datetime-local" className={controls.input} />
      </TextField>
      <TextField
        className={controls.field}
        value={before}
        onChange={(value) => onChange({ ...filters, since: `${from}~${value}` })}
        isInvalid={isWrong}
      >
        <Label>Before</Label>
        <Input type="datetime-local" className={controls.input} />
      </TextField>
    </>
  );
}
