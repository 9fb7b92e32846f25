import type { MessageInitShape } from "@bufbuild/protobuf";
import { useInfiniteQuery } from "@connectrpc/connect-query";
import {
  AccountService,
  type AuditActor,
  AuditActorKind,
  type AuditEntry,
  type ListAuditEntriesRequestSchema,
} from "@posthaste/contracts/account";
import { Link } from "wouter";
import { ErrorNote } from "../parts/error-note.tsx";
import { Empty, Skeleton } from "../parts/layout.tsx";
import { MoreButton } from "../parts/more-button.tsx";
import table from "../parts/table.module.css";
import { Time } from "../parts/time.tsx";
import { auditAddress } from "./audit-filters.ts";
import styles from "./audit-list.module.css";
import { actionName, actorName, changesOf, isCount, SUBJECTS } from "./audit-words.ts";

/** Lists entries of the audit log, newest first. */
export function AuditList(props: {
  request: MessageInitShape<typeof ListAuditEntriesRequestSchema>;
  pageSize: number;
  showsAccount?: boolean;
}) {
  const { request, pageSize, showsAccount = false } = props;
  const pages = useInfiniteQuery(
    AccountService.method.listAuditEntries,
    { ...request, pageSize, pageToken: "" },
    {
      pageParamKey: "pageToken",
      getNextPageParam: ({ nextPageToken }) => (nextPageToken === "" ? undefined : nextPageToken),
    },
  );
  const { data, error, refetch } = pages;
  const entries = data?.pages.flatMap((page) => page.entries) ?? [];
  return (
    <>
      {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton lines={5} />}
      {data !== undefined && entries.length === 0 && !pages.hasNextPage && <Empty title="No entries" />}
      {entries.length > 0 && (
        <table className={`${table.table} ${table.stacked} ${styles.table}`}>
          <thead>
            <tr>
              <th scope="col">When and who</th>
              <th scope="col">What</th>
              <th scope="col">Changes</th>
            </tr>
          </thead>
          <tbody>
            {entries.map((entry) => (
              <Row key={entry.id} entry={entry} showsAccount={showsAccount} />
            ))}
          </tbody>
        </table>
      )}
      <MoreButton pages={pages}>Older entries</MoreButton>
    </>
  );
}

function Row({ entry, showsAccount }: { entry: AuditEntry; showsAccount: boolean }) {
  const { createdAt, actor, action, subject, subjectId, accountId } = entry;
  return (
    <tr>
      <td className={table.fill}>
        <Time at={createdAt} />
        <span className={styles.who}>
          <Actor actor={actor} />
        </span>
      </td>
      <td className={table.fill}>
        <Link href={auditAddress({ action })}>{actionName(action)}</Link>
        {isCount(entry) && " (only counted)"}
        <span className={styles.who}>
          {SUBJECTS[subject]} {subjectId}
          {showsAccount && accountId !== 0 && (
            <>
              , <Link href={`/operator/accounts/${accountId}`}>account {accountId}</Link>
            </>
          )}
        </span>
      </td>
      <td className={`${table.fill} ${styles.cell}`}>
        <dl className={styles.changes}>
          {changesOf(entry.beforeJson, entry.afterJson).map(({ field, before, after }) => (
            <div key={field}>
              <dt>{field}</dt>
              <dd>
                {before !== undefined && <del>{before}</del>} {after !== undefined && <ins>{after}</ins>}
              </dd>
            </div>
          ))}
        </dl>
      </td>
    </tr>
  );
}

/** Leads from a token to all that it changed. */
function Actor({ actor }: { actor: AuditActor | undefined }) {
  const name = actorName(actor);
  if (actor?.kind !== AuditActorKind.TOKEN) return name;
  return <Link href={auditAddress({ tokenId: actor.tokenId })}>{name}</Link>;
}
