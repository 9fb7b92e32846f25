import { ArrowRightLeft } from "lucide-react";
import { useState } from "react";
import { Button } from "react-aria-components/Button";
import controls from "../parts/controls.module.css";
import { ErrorNote } from "../parts/error-note.tsx";
import { switchAccount } from "../session/switch-account.ts";

/** Lets an operator act in an account, or go back to their own. */
export function SwitchButton({ to, children }: { to: number | undefined; children: React.ReactNode }) {
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const change = async () => {
    setBusy(true);
    setError(undefined);
    try {
      // The page begins afresh in the other account.
      await switchAccount(to);
    } catch (caught) {
      setBusy(false);
      setError(caught);
    }
  };
  return (
    <>
      <Button
        className={`${controls.button} ${controls.small}`}
        isDisabled={isBusy}
        onPress={() => void change()}
      >
        <ArrowRightLeft size={14} aria-hidden="true" /> {children}
      </Button>
      {error !== undefined && <ErrorNote error={error} />}
    </>
  );
}
