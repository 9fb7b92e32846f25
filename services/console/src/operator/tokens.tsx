import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createConnectQueryKey, useInfiniteQuery, useMutation } from "@connectrpc/connect-query";
import { AccountService, type Token } from "@posthaste/contracts/account";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button } from "react-aria-components/Button";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { TextField } from "react-aria-components/TextField";
import { Choice } from "../parts/choice.tsx";
import { ConfirmButton } from "../parts/confirm.tsx";
import controls from "../parts/controls.module.css";
import { CopyButton } from "../parts/copy-button.tsx";
import { DAY_MS } from "../parts/durations.ts";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, Skeleton } from "../parts/layout.tsx";
import { MoreButton } from "../parts/more-button.tsx";
import table from "../parts/table.module.css";
import { Time } from "../parts/time.tsx";
import { SCOPES } from "./account-words.ts";
import styles from "./operator.module.css";
import { ScopePicker } from "./scope-picker.tsx";

const PAGE_SIZE = 100;
const { listTokens } = AccountService.method;

/** Lists an account's tokens, and makes and revokes them. */
export function Tokens({ accountId }: { accountId: number }) {
  const queries = useQueryClient();
  const pages = useInfiniteQuery(
    listTokens,
    { accountId, pageSize: PAGE_SIZE, pageToken: "" },
    {
      pageParamKey: "pageToken",
      getNextPageParam: ({ nextPageToken }) => (nextPageToken === "" ? undefined : nextPageToken),
    },
  );
  const { data, error, refetch } = pages;
  const refresh = async () => {
    const queryKey = createConnectQueryKey({ schema: listTokens, cardinality: undefined });
    await queries.invalidateQueries({ queryKey });
  };
  const tokens = data?.pages.flatMap((page) => page.tokens) ?? [];
  return (
    <Card title="Tokens" isFlush>
      {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton lines={3} />}
      {data !== undefined && tokens.length === 0 && <Empty title="No tokens yet" />}
      {tokens.length > 0 && (
        <table className={`${table.table} ${table.stacked}`}>
          <thead>
            <tr>
              {["Name", "Scopes", "Expires", "State"].map((name) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {tokens.map((token) => (
              <Row key={token.id} token={token} onRevoked={refresh} />
            ))}
          </tbody>
        </table>
      )}
      <MoreButton pages={pages}>Show more</MoreButton>
      <div className={styles.more}>
        <NewToken accountId={accountId} onCreated={() => void refresh()} />
      </div>
    </Card>
  );
}

function Row({ token, onRevoked }: { token: Token; onRevoked(): Promise<void> }) {
  const revoke = useMutation(AccountService.method.revokeToken);
  return (
    <tr>
      <td className={table.fill}>
        <span className={table.name}>{token.name}</span>
        <span className={`${table.second} mono`}>{token.hint}…</span>
      </td>
      <td className={`${table.wide} ${styles.scopesOf}`} data-label="Scopes">
        {token.scopes.join(", ")}
      </td>
      <td data-label="Expires">{token.expiresAt === undefined ? "never" : <Time at={token.expiresAt} />}</td>
      <td>
        {token.revokedAt === undefined ? (
          <ConfirmButton
            label="Revoke"
            title={`Revoke the token ${token.name}?`}
            confirmLabel="Revoke token"
            dismissLabel="Keep token"
            isDanger
            onConfirm={async () => {
              await revoke.mutateAsync({ id: token.id });
              await onRevoked();
            }}
          >
            <p>From now on, it authenticates no request. It cannot be undone.</p>
          </ConfirmButton>
        ) : (
          <>
            revoked <Time at={token.revokedAt} relative />
          </>
        )}
      </td>
    </tr>
  );
}

const LIFETIMES = [
  { id: "0", name: "Never expires" },
  { id: "30", name: "30 days" },
  { id: "90", name: "90 days" },
  { id: "365", name: "A year" },
] as const;
type LifetimeId = (typeof LIFETIMES)[number]["id"];

function NewToken({ accountId, onCreated }: { accountId: number; onCreated(): void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly string[]>([]);
  const [days, setDays] = useState<LifetimeId>("90");
  const create = useMutation(AccountService.method.createToken, { onSuccess: onCreated });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const expiry = days === "0" ? {} : { expiresAt: timestampFromMs(Date.now() + Number(days) * DAY_MS) };
    create.mutate({ accountId, name: name.trim(), scopes: [...scopes], ...expiry });
  };
  return (
    <form className={styles.form} onSubmit={submit}>
      <h3>New token</h3>
      <TextField className={controls.field} value={name} onChange={setName} maxLength={100}>
        <Label>Name</Label>
        <Input className={controls.input} placeholder="Who uses it, and for what" />
      </TextField>
      <ScopePicker offered={[...SCOPES, "admin"]} chosen={scopes} onChange={setScopes} />
      <Choice label="Lifetime" options={LIFETIMES} value={days} onChange={setDays} />
      <div>
        <Button
          type="submit"
          className={controls.button}
          isDisabled={name.trim() === "" || scopes.length === 0 || create.isPending}
        >
          Create token
        </Button>
      </div>
      {create.error !== null && <ErrorNote error={create.error} />}
      {create.data !== undefined && (
        <div className={styles.secret} role="status">
          <p>The token is shown only now. Copy it to where it is used.</p>
          <p>
            <code>{create.data.secret}</code> <CopyButton text={create.data.secret} label="Copy the token" />
          </p>
        </div>
      )}
    </form>
  );
}
