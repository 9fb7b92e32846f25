import { ConnectError, createClient } from "@connectrpc/connect";
import { type Session, SessionService } from "@posthaste/contracts/session";
import { type FormEvent, useState } from "react";
import { Button } from "react-aria-components/Button";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { TextField } from "react-aria-components/TextField";
import { transport } from "../api/transport.ts";
import { Brand } from "../parts/brand.tsx";
import controls from "../parts/controls.module.css";
import styles from "./sign-in-page.module.css";
import { storeToken } from "./stored-token.ts";

/** Asks for a token and fetches its session. */
export function SignInPage({ why, onSignedIn }: { why: string; onSignedIn(session: Session): void }) {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState(why);
  const [isBusy, setBusy] = useState(false);

  const signIn = async (event: FormEvent) => {
    event.preventDefault();
    const secret = token.trim();
    if (!/^[!-~]{1,255}$/.test(secret)) {
      setProblem("Paste a token. It starts with pht_ and contains no spaces.");
      return;
    }
    setBusy(true);
    try {
      const { session } = await createClient(SessionService, transport).getSession(
        {},
        { headers: { authorization: `Bearer ${secret}` } },
      );
      if (session === undefined) throw new Error("the API returned no session");
      storeToken(secret);
      onSignedIn(session);
    } catch (error) {
      setBusy(false);
      setProblem(ConnectError.from(error).rawMessage);
    }
  };

  return (
    <main className={styles.page}>
      <form className={styles.card} onSubmit={(event) => void signIn(event)} noValidate>
        <Brand />
        <div className={styles.intro}>
          <h1>Sign in</h1>
          <p>See every delivery and why it failed.</p>
        </div>
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
        <Button className={`${controls.button} ${controls.primary}`} type="submit" isDisabled={isBusy}>
          {isBusy ? "Signing in…" : "Sign in"}
        </Button>
        <p className={styles.hint}>
          <code>npm run up</code> prints a token. An administrator creates more with{" "}
          <code>npm run token</code>. The token is stored in this tab only.
        </p>
      </form>
    </main>
  );
}
