import { useInfiniteQuery } from "@connectrpc/connect-query";
import { type FailingSubscription, OperatorService } from "@posthaste/contracts/operator";
import { Link } from "wouter";
import { answerOf, SubscriptionBadge } from "../parts/badge.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, Skeleton } from "../parts/layout.tsx";
import { MoreButton } from "../parts/more-button.tsx";
import { whole } from "../parts/numbers.ts";
import table from "../parts/table.module.css";
import { Time, TimeAhead } from "../parts/time.tsx";
import { waitingFor } from "../recover/selection.ts";
import { SendAgainButton } from "../recover/send-again.tsx";
import { useKeptRow } from "../recover/use-kept-row.ts";
import { ActingIn } from "./acting-in.tsx";
import styles from "./operator.module.css";
import { SubscriptionActions } from "./subscription-actions.tsx";

const PAGE_SIZE = 20;
const EVERY_MS = 10_000;
/** The API counts up to this. */
const COUNTED_MAX = 1_000;

/**
 * Lists failing subscriptions with their owners, causes and actions, the longest failing first.
 *
 * @param props.accountId only this account's. Default: all accounts'
 * @param props.children what follows the list. It is shown once their number is known, which would move it
 */
export function FailingTable(props: { accountId?: number; children?: React.ReactNode }) {
  const { accountId = 0, children } = props;
  const pages = useInfiniteQuery(
    OperatorService.method.listFailingSubscriptions,
    { accountId, pageSize: PAGE_SIZE, pageToken: "" },
    {
      pageParamKey: "pageToken",
      getNextPageParam: ({ nextPageToken }) => (nextPageToken === "" ? undefined : nextPageToken),
      refetchInterval: EVERY_MS,
    },
  );
  const { data, error, refetch } = pages;
  const listed = data?.pages.flatMap((page) => page.subscriptions) ?? [];
  const { rows, onDialog } = useKeptRow(listed, ({ subscription }) => subscription?.id);
  return (
    <>
      <Card title="Failing subscriptions" isFlush>
        {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
        {data === undefined && error === null && <Skeleton lines={3} />}
        {data !== undefined && rows.length === 0 && <Empty title="No subscription is failing" />}
        {rows.length > 0 && (
          <Rows
            failing={rows}
            showsOwner={accountId === 0}
            onChanged={() => void refetch()}
            onDialog={onDialog}
          />
        )}
        <MoreButton pages={pages}>Show more</MoreButton>
      </Card>
      {(data !== undefined || error !== null) && children}
    </>
  );
}

function Rows(props: {
  failing: readonly FailingSubscription[];
  showsOwner: boolean;
  onChanged(): void;
  onDialog(one: FailingSubscription, isOpen: boolean): void;
}) {
  const { failing, showsOwner, onChanged, onDialog } = props;
  return (
    <table className={`${table.table} ${table.stacked}`}>
      <thead>
        <tr>
          <th scope="col">{showsOwner ? "Target and account" : "Target"}</th>
          <th scope="col">Since</th>
          <th scope="col">Last answer</th>
          <th scope="col">Waiting</th>
          <th scope="col">Next attempt</th>
          <th scope="col">
            <span className="visually-hidden">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {failing.map((one) => (
          <Row
            key={one.subscription?.id}
            one={one}
            showsOwner={showsOwner}
            onChanged={onChanged}
            onDialog={(isOpen) => onDialog(one, isOpen)}
          />
        ))}
      </tbody>
    </table>
  );
}

function Row(props: {
  one: FailingSubscription;
  showsOwner: boolean;
  onChanged(): void;
  onDialog(isOpen: boolean): void;
}) {
  const { one, showsOwner, onChanged, onDialog } = props;
  const { subscription, accountId, accountName, lastOutcome, lastStatus, retrying, nextAttemptAt } = one;
  if (subscription === undefined) return null;
  const count = retrying >= COUNTED_MAX ? `${whole(retrying)} or more` : whole(retrying);
  return (
    <tr>
      <td className={table.wide}>
        <span className={table.target} title={subscription.targetUrl}>
          {subscription.targetUrl}
        </span>
        {showsOwner && (
          <Link href={`/operator/accounts/${accountId}`} className={`${table.link} ${styles.owner}`}>
            {accountName} ({accountId})
          </Link>
        )}
        <span className={styles.badge}>
          <SubscriptionBadge subscription={subscription} />
        </span>
      </td>
      <td data-label="Since">
        <Time at={subscription.failingSince} relative />
      </td>
      <td data-label="Last answer">{answerOf(lastOutcome, lastStatus)}</td>
      <td data-label="Waiting">{count}</td>
      <td data-label="Next attempt">
        {nextAttemptAt === undefined ? "none" : <TimeAhead at={nextAttemptAt} />}
      </td>
      <td className={table.action}>
        <ActingIn accountId={accountId}>
          <div className={styles.actions}>
            <SendAgainButton
              label="Send what waits…"
              selection={waitingFor(subscription.id)}
              isSmall
              isOffered={retrying > 0}
              onOpenChange={onDialog}
            />
            <SubscriptionActions subscription={subscription} onChanged={onChanged} />
          </div>
        </ActingIn>
      </td>
    </tr>
  );
}
