import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { useMutation } from "@connectrpc/connect-query";
import { AccountService } from "@posthaste/contracts/account";
import { type FormEvent, useState } from "react";
import { Button } from "react-aria-components/Button";
import { Choice } from "../parts/choice.tsx";
import controls from "../parts/controls.module.css";
import { CopyButton } from "../parts/copy-button.tsx";
import { HOUR_MS } from "../parts/durations.ts";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card } from "../parts/layout.tsx";
import { TimeAhead } from "../parts/time.tsx";
import { SCOPES } from "./account-words.ts";
import styles from "./operator.module.css";
import { ScopePicker } from "./scope-picker.tsx";

const LENGTHS = [
  { id: "1", name: "1 hour" },
  { id: "4", name: "4 hours" },
  { id: "12", name: "12 hours" },
] as const;

/** Makes a link that opens the console for a customer, in this account only. */
export function NewPortalLink({ accountId }: { accountId: number }) {
  const [scopes, setScopes] = useState<readonly string[]>(SCOPES.filter((scope) => scope.endsWith(":read")));
  const [hours, setHours] = useState<(typeof LENGTHS)[number]["id"]>("1");
  const create = useMutation(AccountService.method.createPortalLink);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const sessionLifetime = durationFromMs(Number(hours) * HOUR_MS);
    create.mutate({ accountId, scopes: [...scopes], sessionLifetime });
  };
  const link = create.data === undefined ? "" : `${location.origin}${create.data.path}`;
  return (
    <Card title="Portal link">
      <form className={styles.form} onSubmit={submit}>
        <p className={styles.muted}>
          Opens the console for a customer, in this account only. The link can be opened once.
        </p>
        <ScopePicker offered={SCOPES} chosen={scopes} onChange={setScopes} />
        <Choice label="The session lasts" options={LENGTHS} value={hours} onChange={setHours} />
        <div>
          <Button
            type="submit"
            className={controls.button}
            isDisabled={scopes.length === 0 || create.isPending}
          >
            Create portal link
          </Button>
        </div>
        {create.error !== null && <ErrorNote error={create.error} />}
        {create.data !== undefined && (
          <div className={styles.secret} role="status">
            <p>
              Send this link to the customer. It can be opened until then:{" "}
              <TimeAhead at={create.data.expiresAt} />
            </p>
            <p>
              <code>{link}</code> <CopyButton text={link} label="Copy the link" />
            </p>
          </div>
        )}
      </form>
    </Card>
  );
}
