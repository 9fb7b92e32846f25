import { useInfiniteQuery, useMutation } from "@connectrpc/connect-query";
import { AccountService } from "@posthaste/contracts/account";
import { type AccountState, OperatorService } from "@posthaste/contracts/operator";
import { type FormEvent, useState } from "react";
import { Button } from "react-aria-components/Button";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { TextField } from "react-aria-components/TextField";
import { Link, useLocation } from "wouter";
import controls from "../parts/controls.module.css";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, PageHeader, Skeleton } from "../parts/layout.tsx";
import { MoreButton } from "../parts/more-button.tsx";
import table from "../parts/table.module.css";
import { Time } from "../parts/time.tsx";
import { countUpTo, LANES } from "./account-words.ts";
import styles from "./operator.module.css";
import { SwitchButton } from "./switch-button.tsx";

const PAGE_SIZE = 50;
const EVERY_MS = 15_000;

/** Lists all accounts with what waits and fails in each. */
export function AccountsPage() {
  const pages = useInfiniteQuery(
    OperatorService.method.listAccountStates,
    { pageSize: PAGE_SIZE, pageToken: "" },
    {
      pageParamKey: "pageToken",
      getNextPageParam: ({ nextPageToken }) => (nextPageToken === "" ? undefined : nextPageToken),
      refetchInterval: EVERY_MS,
    },
  );
  const { data, error, refetch } = pages;
  const states = data?.pages.flatMap((page) => page.accounts) ?? [];
  return (
    <>
      <PageHeader title="Accounts" about="What waits, fails and may be used in each account." />
      <div className={styles.stack}>
        <NewAccount />
        <Card isFlush>
          {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
          {data === undefined && error === null && <Skeleton lines={6} />}
          {states.length > 0 && (
            <table className={`${table.table} ${table.stacked}`}>
              <thead>
                <tr>
                  {HEADS.map((name) => (
                    <th key={name} scope="col">
                      {name}
                    </th>
                  ))}
                  <th scope="col">
                    <span className="visually-hidden">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {states.map((state) => (
                  <Row key={state.account?.id} state={state} />
                ))}
              </tbody>
            </table>
          )}
          <MoreButton pages={pages}>Show more</MoreButton>
        </Card>
      </div>
    </>
  );
}

const HEADS = ["Account", "Lane", "Failing", "Pending", "Access"];

function Row({ state }: { state: AccountState }) {
  const { account, subscriptions, failing, pending, parked, tokens, portalSessions, portalLinks } = state;
  if (account === undefined) return null;
  return (
    <tr>
      <td className={table.wide}>
        <Link href={`/operator/accounts/${account.id}`} className={table.link}>
          <span className={table.target}>
            {account.name} ({account.id})
          </span>
        </Link>
      </td>
      <td data-label="Lane">{LANES[account.lane]}</td>
      <td data-label="Failing" className={failing > 0 ? styles.bad : undefined}>
        {countUpTo(failing)} of {countUpTo(subscriptions)}
        {state.failingSince !== undefined && (
          <span className={table.second}>
            since <Time at={state.failingSince} relative />
          </span>
        )}
      </td>
      <td data-label="Pending">
        {countUpTo(pending)}, {countUpTo(parked)} parked
        {state.oldestPendingAt !== undefined && (
          <span className={table.second}>
            oldest <Time at={state.oldestPendingAt} relative />
          </span>
        )}
      </td>
      <td data-label="Access">
        {counted(tokens, "token")}
        <span className={table.second}>
          portal: {countUpTo(portalSessions)} open, {counted(portalLinks, "link")}
        </span>
      </td>
      <td className={table.action}>
        <SwitchButton to={account.id}>Act in it</SwitchButton>
      </td>
    </tr>
  );
}

function counted(count: number, one: string): string {
  return `${countUpTo(count)} ${count === 1 ? one : `${one}s`}`;
}

function NewAccount() {
  const [name, setName] = useState("");
  const [, navigate] = useLocation();
  const create = useMutation(AccountService.method.createAccount, {
    onSuccess: ({ account }) => navigate(`/operator/accounts/${account?.id}`),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate({ name: name.trim() });
  };
  return (
    <Card title="New account">
      <form className={styles.inline} onSubmit={submit}>
        <TextField className={controls.field} value={name} onChange={setName} maxLength={100}>
          <Label>Name</Label>
          <Input className={controls.input} />
        </TextField>
        <Button
          type="submit"
          className={`${controls.button} ${controls.primary}`}
          isDisabled={name.trim() === "" || create.isPending}
        >
          Create account
        </Button>
      </form>
      {create.error !== null && <ErrorNote error={create.error} />}
    </Card>
  );
}
