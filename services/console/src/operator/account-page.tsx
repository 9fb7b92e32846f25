import { useMutation, useQuery } from "@connectrpc/connect-query";
import { type Account, AccountService, type Lane } from "@posthaste/contracts/account";
import { OperatorService } from "@posthaste/contracts/operator";
import { Link } from "wouter";
import { Choice } from "../parts/choice.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, Facts, PageHeader, Skeleton } from "../parts/layout.tsx";
import { Time } from "../parts/time.tsx";
import { countUpTo, LANES } from "./account-words.ts";
import { AuditList } from "./audit-list.tsx";
import { FailingTable } from "./failing-table.tsx";
import { NewPortalLink } from "./new-portal-link.tsx";
import styles from "./operator.module.css";
import { SwitchButton } from "./switch-button.tsx";
import { Tokens } from "./tokens.tsx";

const EVERY_MS = 15_000;

/** Shows one account to an operator: what waits and fails in it, who may use it, and what was changed. */
export function AccountPage({ id }: { id: number }) {
  const { data, error, refetch } = useQuery(
    OperatorService.method.getAccountState,
    { accountId: id },
    { refetchInterval: EVERY_MS },
  );
  const state = data?.state;
  const account = state?.account;
  if (state === undefined || account === undefined) {
    return (
      <>
        <PageHeader title="Account" />
        {error === null ? <Skeleton lines={8} /> : <ErrorNote error={error} onRetry={() => void refetch()} />}
        {data !== undefined && <Empty title="There is no such account" />}
      </>
    );
  }
  return (
    <>
      <PageHeader title={account.name} about={`Account ${account.id}`}>
        <SwitchButton to={account.id}>Act in it</SwitchButton>
      </PageHeader>
      <div className={styles.stack}>
        <Card title="State">
          <Facts
            facts={[
              ["Failing", `${countUpTo(state.failing)} of ${countUpTo(state.subscriptions)} subscriptions`],
              ["Pending deliveries", countUpTo(state.pending)],
              ["Oldest pending", <Time key="oldest" at={state.oldestPendingAt} relative />],
              ["In progress or retrying", countUpTo(state.started)],
              ["Parked deliveries", countUpTo(state.parked)],
              ["Running recoveries", countUpTo(state.recoveries)],
              ["Open portal sessions", countUpTo(state.portalSessions)],
              ["Unopened portal links", countUpTo(state.portalLinks)],
              ["Created", <Time key="created" at={account.createdAt} />],
            ]}
          />
          <LaneChoice account={account} onChanged={() => void refetch()} />
        </Card>
        <FailingTable accountId={id}>
          <Tokens accountId={id} />
          <NewPortalLink accountId={id} />
          <Card
            title="Audit log"
            isFlush
            aside={<Link href={`/operator/audit?account=${id}`}>All entries</Link>}
          >
            <AuditList request={{ accountId: id }} pageSize={10} />
          </Card>
        </FailingTable>
      </div>
    </>
  );
}

function LaneChoice({ account, onChanged }: { account: Account; onChanged(): void }) {
  const setLane = useMutation(AccountService.method.setLane, { onSuccess: onChanged });
  return (
    <div className={`${styles.inline} ${styles.lane}`}>
      <Choice
        label="Lane of first attempts"
        options={Object.entries(LANES).map(([id, name]) => ({ id, name }))}
        value={String(account.lane)}
        onChange={(lane) => setLane.mutate({ accountId: account.id, lane: Number(lane) as Lane })}
      />
      {setLane.error !== null && <ErrorNote error={setLane.error} />}
    </div>
  );
}
