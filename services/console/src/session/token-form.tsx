import { type FormEvent, useState } from "react";
import { Button } from "react-aria-components/Button";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { TextField } from "react-aria-components/TextField";
import { wordsOf } from "../api/errors.ts";
import { fetchSession } from "../api/transport.ts";
import controls from "../parts/controls.module.css";
import { signIn } from "./session-store.ts";
import styles from "./sign-in-page.module.css";

/** Asks for a token and signs in with it. */
export function TokenForm(props: {
  why?: string;
  /** The account that an operator goes on to act in. */
  actingIn?: number | undefined;
  children: React.ReactNode;
}) {
  const { why = "", actingIn, children } = props;
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState(why);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const secret = token.trim();
    if (!/^[!-~]{1,255}$/.test(secret)) {
      setProblem("Paste a token. It starts with pht_ and contains no spaces.");
      return;
    }
    setBusy(true);
    try {
      const held = { token: secret, isPortal: false, actingIn };
      signIn(held, await fetchSession(secret, { actingIn }));
    } catch (error) {
      setBusy(false);
      setProblem(wordsOf(error));
    }
  };
  return (
    <form className={styles.form} onSubmit={(event) => void submit(event)} noValidate>
      {children}
      <TextField
        className={controls.field}
        type="password"
        autoComplete="current-password"
        value={token}
        onChange={setToken}
        isInvalid={problem !== ""}
      >
        <Label>Token</Label>
        <Input className={controls.input} placeholder="pht_…" spellCheck="false" />
      </TextField>
      <p className={styles.problem} role="alert">
        {problem}
      </p>
      <Button className={`${controls.button} ${controls.primary}`} type="submit" isPending={isBusy}>
        {isBusy ? "Signing in…" : "Sign in"}
      </Button>
    </form>
  );
}
