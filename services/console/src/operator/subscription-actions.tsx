import { useMutation } from "@connectrpc/connect-query";
import { type Subscription, SubscriptionService, SubscriptionState } from "@posthaste/contracts/subscription";
import { Button } from "react-aria-components/Button";
import controls from "../parts/controls.module.css";
import { ErrorNote } from "../parts/error-note.tsx";

/** Pauses or resumes a subscription in the account of its transport. */
export function SubscriptionActions(props: { subscription: Subscription; onChanged(): void }) {
  const { id, state } = props.subscription;
  const options = { onSuccess: props.onChanged };
  const pause = useMutation(SubscriptionService.method.pauseSubscription, options);
  const resume = useMutation(SubscriptionService.method.resumeSubscription, options);
  const [name, action] = state === SubscriptionState.ACTIVE ? ["Pause", pause] : ["Resume", resume];
  const error = pause.error ?? resume.error;
  return (
    <>
      <Button
        className={`${controls.button} ${controls.small}`}
        isDisabled={action.isPending}
        onPress={() => action.mutate({ id })}
      >
        {name}
      </Button>
      {error !== null && <ErrorNote error={error} />}
    </>
  );
}
