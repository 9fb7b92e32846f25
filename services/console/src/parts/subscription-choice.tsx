import { useMemo } from "react";
import { subscriptionOptions } from "../api/subscription-options.ts";
import { targetName, useSubscriptions } from "../api/subscriptions.ts";
import { SearchChoice } from "./search-choice.tsx";

/**
 * A choice of one of the account's subscriptions.
 *
 * @param props.none what is chosen with the value 0
 */
export function SubscriptionChoice(props: { none: string; value: number; onChange(value: number): void }) {
  const { none, value, onChange } = props;
  const subscriptions = useSubscriptions();
  const options = useMemo(() => subscriptionOptions(subscriptions), [subscriptions]);
  return (
    <SearchChoice
      label="Subscription"
      none={none}
      options={options}
      value={value === 0 ? "" : String(value)}
      nameOf={(id) => targetName(subscriptions, Number(id))}
      onChange={(id) => onChange(Number(id))}
    />
  );
}
