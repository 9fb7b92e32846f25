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
            <div className={styles.scroll}>
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
            </div>
          )}
          <MoreButton pages={pages}>Show more</MoreButton>
        </Card>
      </div>
    </>
  );
}

const HEADS = ["Account", "Lane", "Failing", "Pending, parked", "Oldest pending", "Tokens", "Portal"];

function Row({ state }: { state: AccountState }) {
  const { account, subscriptions, failing, pending, parked, tokens, portalSessions, portalLinks } = state;
  if (account === undefined) return null;
  return (
    <tr>
      <td className={table.wide}>
        <Link href={`/operator/accounts/${account.id}`} className={table.link}>
          {account.name} ({account.id})
        </Link>
      </td>
      <td data-label="Lane">{LANES[account.lane]}</td>
      <td data-label="Failing" className={failing > 0 ? styles.bad : undefined}>
        {countUpTo(failing)} of {countUpTo(subscriptions)}
        {state.failingSince !== undefined && (
          <span className={table.below}>
            since <Time at={state.failingSince} relative />
          </span>
        )}
      </td>
      <td data-label="Pending, parked">
        {countUpTo(pending)}, {countUpTo(parked)}
      </td>
      <td data-label="Oldest pending">
        {state.oldestPendingAt === undefined ? "–" : <Time at={state.oldestPendingAt} relative />}
      </td>
      <td data-label="Tokens">{countUpTo(tokens)}</td>
      <td data-label="Portal">
        {countUpTo(portalSessions)} open, {countUpTo(portalLinks)} links
      </td>
      <td className={table.action}>
        <SwitchButton to={account.id}>Act in it</SwitchButton>
      </td>
    </tr>
  );
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
