import { useQuery } from "@connectrpc/connect-query";
import { OperatorService, type UnfinishedRecovery } from "@posthaste/contracts/operator";
import { Link } from "wouter";
import { Badge } from "../parts/badge.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, Facts, PageHeader, Skeleton } from "../parts/layout.tsx";
import { RecoveryRow } from "../recover/recovery-row.tsx";
import { ActingIn } from "./acting-in.tsx";
import { FailingTable } from "./failing-table.tsx";
import styles from "./operator.module.css";
import { problemInWords } from "./problem-in-words.ts";

const { getInstallation, listUnfinishedRecoveries } = OperatorService.method;
const INSTALLATION_EVERY_MS = 15_000;
const RECOVERIES_EVERY_MS = 5_000;

/** Shows an operator what fails and what runs in all accounts. */
export function OperatorPage() {
  return (
    <>
      <PageHeader title="All accounts" about="What fails and what runs in the whole installation." />
      <div className={`${styles.stack} ${styles.all}`}>
        <Installation />
        <FailingTable>
          <Recoveries />
        </FailingTable>
      </div>
    </>
  );
}

function Installation() {
  const { data, error, refetch } = useQuery(getInstallation, {}, { refetchInterval: INSTALLATION_EVERY_MS });
  return (
    <Card title="Installation">
      {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton lines={1} />}
      {data !== undefined && (
        <Facts
          facts={[
            [
              `Database (${data.database === "mysql" ? "MySQL" : "SQLite"})`,
              <Health key="database" problem={data.databaseProblem} />,
            ],
            ["Temporal", <Health key="temporal" problem={data.temporalProblem} />],
            [
              "Temporal UI",
              data.temporalUiUrl === "" ? (
                "not configured"
              ) : (
                <a key="ui" href={data.temporalUiUrl} target="_blank" rel="noreferrer">
                  {data.temporalUiUrl}
                </a>
              ),
            ],
          ]}
        />
      )}
    </Card>
  );
}

function Health({ problem }: { problem: string }) {
  if (problem === "") return <Badge tone="green">Answers</Badge>;
  return <Badge tone="red">{problemInWords(problem)}</Badge>;
}

function Recoveries() {
  const { data, error, refetch } = useQuery(
    listUnfinishedRecoveries,
    {},
    { refetchInterval: RECOVERIES_EVERY_MS },
  );
  return (
    <Card title="Running recoveries" isFlush>
      {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton lines={5} />}
      {data?.recoveries.length === 0 && <Empty title="No recovery or replay is running" />}
      <ul>
        {data?.recoveries.map((one) => (
          <Unfinished key={one.recovery?.id} one={one} onChanged={() => void refetch()} />
        ))}
      </ul>
    </Card>
  );
}

function Unfinished({ one, onChanged }: { one: UnfinishedRecovery; onChanged(): void }) {
  const { recovery, accountId, accountName } = one;
  if (recovery === undefined) return null;
  return (
    <ActingIn accountId={accountId}>
      <RecoveryRow
        recovery={recovery}
        all={[]}
        owner={
          <Link href={`/operator/accounts/${accountId}`}>
            {accountName} ({accountId})
          </Link>
        }
        onChanged={onChanged}
      />
    </ActingIn>
  );
}
