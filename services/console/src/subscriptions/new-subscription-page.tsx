import { useMutation } from "@connectrpc/connect-query";
import { InboxService } from "@posthaste/contracts/inbox";
import { SubscriptionService } from "@posthaste/contracts/subscription";
import { useQueryClient } from "@tanstack/react-query";
import { Inbox } from "lucide-react";
import { useState } from "react";
import { Button } from "react-aria-components/Button";
import { useLocation } from "wouter";
import { useEventTypes } from "../api/subscriptions.ts";
import { storeInboxId } from "../inbox/stored-inbox.ts";
import controls from "../parts/controls.module.css";
import { Card, Empty, PageHeader } from "../parts/layout.tsx";
import { TextBlock } from "../parts/text-block.tsx";
import { useSession } from "../session/session-context.tsx";
import { valuesOf } from "./named-values.ts";
import styles from "./new-subscription-page.module.css";
import { JUST_CREATED } from "./next-steps.tsx";
import { NEW_DRAFT, requestOf } from "./subscription-draft.ts";
import { SubscriptionForm } from "./subscription-form.tsx";

/** The form for a new subscription, next to a sample of what its receiver gets. */
export function NewSubscriptionPage() {
  const { session } = useSession();
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const [draft, setDraft] = useState(NEW_DRAFT);
  const [sampleCode, setSampleCode] = useState("");
  const create = useMutation(SubscriptionService.method.createSubscription, {
    onSuccess: ({ subscription }) => {
      void queries.invalidateQueries();
      navigate(`/subscriptions/${subscription?.id}`, { state: JUST_CREATED });
    },
  });
  const createInbox = useMutation(InboxService.method.createInbox, {
    onSuccess: ({ inbox }) => {
      if (inbox === undefined) return;
      storeInboxId(inbox.id);
      setDraft((before) => ({ ...before, targetUrl: `${location.origin}${inbox.path}` }));
    },
  });
  return (
    <>
      <PageHeader title="New subscription" about="Receives the events ingested after its creation." />
      <div className={styles.columns}>
        <Card>
          <SubscriptionForm
            draft={draft}
            onChange={setDraft}
            submit="Create subscription"
            isBusy={create.isPending}
            error={create.error ?? createInbox.error}
            onSubmit={() =>
              create.mutate({
                ...requestOf(draft),
                secret: draft.secret,
                headers: { values: valuesOf(draft.more.headers) },
              })
            }
            onShowSample={setSampleCode}
          >
            {session.inboxes && (
              <Button
                className={`${controls.button} ${controls.small} ${styles.inbox}`}
                onPress={() => createInbox.mutate({})}
              >
                <Inbox size={15} aria-hidden="true" /> No receiver yet? Use an inbox
              </Button>
            )}
          </SubscriptionForm>
        </Card>
        <Sample code={sampleCode} />
      </div>
    </>
  );
}

function Sample({ code }: { code: string }) {
  const eventType = useEventTypes().find((type) => type.code === code);
  return (
    <Card title={eventType === undefined ? "Sample" : eventType.code} className={styles.sample}>
      {eventType === undefined ? (
        <Empty title="Choose an event type">
          <p>A sample of its request body appears here.</p>
        </Empty>
      ) : (
        <div className={styles.shown}>
          <p>{eventType.description}</p>
          <TextBlock
            key={code}
            label="Request body: an array with one item"
            text={`[${eventType.sampleJson}]`}
          />
        </div>
      )}
    </Card>
  );
}
