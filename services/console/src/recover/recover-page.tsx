import { useQuery } from "@connectrpc/connect-query";
import { DeliveryService, RecoveryState } from "@posthaste/contracts/delivery";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, PageHeader, Skeleton } from "../parts/layout.tsx";
import { Denied } from "../session/denied.tsx";
import { useSession } from "../session/session-context.tsx";
import { RecoverForm } from "./recover-form.tsx";
import styles from "./recover-page.module.css";
import { RecoveryRow } from "./recovery-row.tsx";

const SHOWN_MAX = 20;
/** Counts are in the list, too, and are not shown. */
const LISTED_MAX = 200;
const EVERY_MS = 1_000;
const IDLE_EVERY_MS = 10_000;

export function RecoverPage() {
  const { can } = useSession();
  const { data, error, refetch } = useQuery(
    DeliveryService.method.listRecoveries,
    { pageSize: LISTED_MAX },
    {
      refetchInterval: ({ state }) =>
        state.data?.recoveries.some((recovery) => recovery.state === RecoveryState.RUNNING)
          ? EVERY_MS
          : IDLE_EVERY_MS,
    },
  );
  const all = data?.recoveries ?? [];
  const recoveries = all.filter(({ dryRun }) => !dryRun).slice(0, SHOWN_MAX);
  return (
    <>
      <PageHeader
        title="Recover"
        about="After a receiver outage, send what waits and what failed. A second recovery sends nothing twice."
      />
      <div className={styles.columns}>
        {can("deliveries:write") ? (
          <Card title="Send again">
            <RecoverForm />
          </Card>
        ) : (
          <Denied scope="deliveries:write" />
        )}
        <Card title="Recoveries" isFlush>
          {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
          {data === undefined && error === null && <Skeleton lines={4} />}
          {data !== undefined && recoveries.length === 0 && (
            <Empty title="No recoveries yet">
              <p>Choose when the failures began. What would be sent is counted first.</p>
            </Empty>
          )}
          <ul>
            {recoveries.map((recovery) => (
              <RecoveryRow key={recovery.id} recovery={recovery} all={all} onChanged={() => void refetch()} />
            ))}
          </ul>
        </Card>
      </div>
    </>
  );
}
