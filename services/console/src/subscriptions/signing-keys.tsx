import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { useMutation, useQuery } from "@connectrpc/connect-query";
import { type SigningKey, SubscriptionService } from "@posthaste/contracts/subscription";
import { Eye, EyeOff } from "lucide-react";
import { useState } from "react";
import { Button } from "react-aria-components/Button";
import { Choice } from "../parts/choice.tsx";
import { ConfirmButton } from "../parts/confirm.tsx";
import controls from "../parts/controls.module.css";
import { CopyButton } from "../parts/copy-button.tsx";
import { HOUR_MS } from "../parts/durations.ts";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Skeleton } from "../parts/layout.tsx";
import { Time } from "../parts/time.tsx";
import styles from "./signing-keys.module.css";

const OVERLAPS = [
  { id: "24", name: "Keeps signing for 24 hours" },
  { id: "168", name: "Keeps signing for 7 days" },
  { id: "0", name: "Expires now, for example after a leak" },
] as const;
type Overlap = (typeof OVERLAPS)[number]["id"];

/** Shows a subscription's signing keys. They are fetched from the API only when the reader selects Show. */
export function SigningKeys({ id }: { id: number }) {
  const [isShown, setShown] = useState(false);
  const [overlap, setOverlap] = useState<Overlap>("24");
  const { data, error, refetch } = useQuery(
    SubscriptionService.method.listSigningKeys,
    { id },
    { enabled: isShown, gcTime: 0 },
  );
  const rotate = useMutation(SubscriptionService.method.rotateSecret, {
    onSuccess: async () => {
      setShown(true);
      await refetch();
    },
  });
  return (
    <Card
      title="Signing secret"
      aside={
        <Button className={`${controls.button} ${controls.small}`} onPress={() => setShown(!isShown)}>
          {isShown ? <EyeOff size={15} aria-hidden="true" /> : <Eye size={15} aria-hidden="true" />}
          {isShown ? "Hide" : "Show"}
        </Button>
      }
    >
      <div className={styles.body}>
        {!isShown && <p className={styles.masked}>whsec_••••••••••••••••••••••••••••••••</p>}
        {isShown && error !== null && <ErrorNote error={error} />}
        {isShown && error === null && data === undefined && <Skeleton lines={1} />}
        {isShown && data !== undefined && (
          <ul className={styles.keys}>
            {data.signingKeys.map((key) => (
              <Key key={key.publicKey} signingKey={key} />
            ))}
          </ul>
        )}
        <ConfirmButton
          label="Rotate"
          title="Rotate the signing secret?"
          confirmLabel="Rotate secret"
          onConfirm={() => rotate.mutateAsync({ id, overlap: durationFromMs(Number(overlap) * HOUR_MS) })}
        >
          <p>Deliveries are signed with the new secret from now on.</p>
          <Choice label="Old secret" options={OVERLAPS} value={overlap} onChange={setOverlap} />
        </ConfirmButton>
      </div>
    </Card>
  );
}

function Key({ signingKey: { secret, publicKey, createdAt, expiresAt } }: { signingKey: SigningKey }) {
  return (
    <li className={styles.key}>
      <span className={styles.line}>
        <code>{secret}</code>
        <CopyButton text={secret} label="Copy the signing secret" />
      </span>
      <span className={styles.line}>
        <code>{publicKey}</code>
        <CopyButton text={publicKey} label="Copy the public key" />
      </span>
      <span className={styles.age}>
        Created <Time at={createdAt} relative />
        {expiresAt === undefined ? (
          ", current"
        ) : (
          <>
            , signs until <Time at={expiresAt} />
          </>
        )}
      </span>
    </li>
  );
}
