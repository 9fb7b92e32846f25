import { DeliveryState, type Outcome } from "@posthaste/contracts/delivery";
import { Button } from "react-aria-components/Button";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { TextField } from "react-aria-components/TextField";
import { useEventTypes } from "../api/subscriptions.ts";
import { Choice } from "../parts/choice.tsx";
import controls from "../parts/controls.module.css";
import { DELIVERY_STATES, stateName } from "../parts/delivery-status.ts";
import { FAILURES } from "../parts/failures.ts";
import { OnlyButton } from "../parts/only-button.tsx";
import { SubscriptionChoice } from "../parts/subscription-choice.tsx";
import { TimeFilter } from "../parts/time-filter.tsx";
import { statusesFrom } from "../recover/selection.ts";
import styles from "./filter-bar.module.css";
import { ATTEMPTS_MAX, addressOf, type Filters, NO_FILTERS } from "./filters.ts";

/** Of started deliveries, those that have failed and wait for a retry, or make it. */
const RETRYING = "retrying";
const STATES = DELIVERY_STATES.flatMap((state) => {
  const all = { id: String(state), name: stateName(state) };
  return state === DeliveryState.STARTED ? [all, { id: RETRYING, name: "Retrying" }] : [all];
});

const ATTEMPTS = Array.from({ length: ATTEMPTS_MAX + 1 }, (_, n) => ({
  id: String(n),
  name: n === 0 ? "Any number" : `${n} or more`,
}));

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
  const eventTypes = useEventTypes();
  const isRetrying = filters.state === DeliveryState.STARTED && filters.attemptsMin > 0;
  const isFiltered = addressOf(filters) !== addressOf(NO_FILTERS);
  return (
    <search className={styles.bar} aria-label="Filter deliveries">
      <Choice
        label="State"
        options={STATES}
        value={isRetrying ? RETRYING : String(filters.state)}
        onChange={(id) => onChange({ ...filters, ...stateFrom(id, isRetrying, filters.attemptsMin) })}
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
      <SubscriptionChoice
        none="Any subscription"
        value={filters.subscriptionId}
        onChange={(subscriptionId) => onChange({ ...filters, subscriptionId })}
      />
      <TimeFilter
        since={filters.since}
        onChange={(since) => onChange({ ...filters, since })}
        onType={(since) => onType({ ...filters, since })}
      />
      <Choice
        label="Last outcome"
        options={FAILURES}
        value={String(filters.outcome)}
        onChange={(id) => onChange({ ...filters, outcome: Number(id) as Outcome })}
      />
      <TextField
        className={controls.field}
        value={filters.statuses}
        onChange={(statuses) => onType({ ...filters, statuses })}
        isInvalid={statusesFrom(filters.statuses) === undefined}
      >
        <Label>Last status</Label>
        <Input className={controls.input} placeholder="500, 503" inputMode="numeric" />
      </TextField>
      <Choice
        label="Attempts"
        options={ATTEMPTS}
        value={String(filters.attemptsMin)}
        onChange={(id) => onChange({ ...filters, attemptsMin: Number(id) })}
      />
      {filters.eventId !== "" && (
        <OnlyButton
          name={`Event ${filters.eventId}`}
          onRemove={() => onChange({ ...filters, eventId: "" })}
        />
      )}
      {filters.recoveryId !== 0 && (
        <OnlyButton
          name={`Recovery ${filters.recoveryId}`}
          onRemove={() => onChange({ ...filters, recoveryId: 0 })}
        />
      )}
      {isFiltered && (
        <Button className={`${controls.button} ${styles.clear}`} onPress={() => onChange(NO_FILTERS)}>
          Clear filters
        </Button>
      )}
    </search>
  );
}

/** @param attemptsMin how many attempts were asked for: any, unless they were a part of the state */
function stateFrom(id: string, wasRetrying: boolean, attemptsMin: number) {
  if (id === RETRYING) return { state: DeliveryState.STARTED, attemptsMin: Math.max(1, attemptsMin) };
  const isImplied = wasRetrying && attemptsMin === 1;
  return { state: Number(id) as DeliveryState, attemptsMin: isImplied ? 0 : attemptsMin };
}
