import { brand } from "../api/brand.ts";
import { Brand } from "../parts/brand.tsx";
import { usePageHeading } from "../parts/use-page-heading.ts";
import styles from "./sign-in-page.module.css";
import type { SignedOutBecause } from "./stage.ts";
import { TokenForm } from "./token-form.tsx";

/** Asks for a token and fetches its session. */
export function SignInPage({ why }: { why: SignedOutBecause }) {
  const heading = usePageHeading();
  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <TokenForm why={why === "ended" ? "Your session has ended. Sign in again." : ""}>
          <Brand />
          <div className={styles.intro}>
            <h1 ref={heading} tabIndex={-1}>
              Sign in
            </h1>
            <p>See every delivery and why it failed.</p>
          </div>
        </TokenForm>
        <p className={styles.hint}>
          {brand().name === null ? <OwnTokens /> : "Ask your administrator for a token."} This browser's tabs
          share it until the last one is closed.
        </p>
      </div>
    </main>
  );
}

function OwnTokens() {
  return (
    <>
      <code>npm run up</code> prints a token. An administrator creates more with <code>npm run token</code>.
    </>
  );
}
