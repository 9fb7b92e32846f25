import { useEffect } from "react";
import { Dialog } from "react-aria-components/Dialog";
import { Heading } from "react-aria-components/Heading";
import { Modal, ModalOverlay } from "react-aria-components/Modal";
import { fetchSession } from "../api/transport.ts";
import controls from "../parts/controls.module.css";
import { happen } from "./session-store.ts";
import { REOPEN } from "./signed-out-page.tsx";
import type { SignedIn } from "./stage.ts";
import { TokenForm } from "./token-form.tsx";

/**
 * Asks to sign in again over the page of a session that has ended, which keeps what the reader has typed and
 * the place in the list. The page goes on in the same account; another account starts afresh.
 */
export function SessionEnded({ stage: { session, held, offered } }: { stage: SignedIn }) {
  useEffect(() => {
    if (offered === undefined) return;
    const leave = new AbortController();
    fetchSession(offered.token, { signal: leave.signal, ...offered })
      .then((found) => {
        if (found.accountId === session.accountId)
          happen({ kind: "signed in", held: offered, session: found });
      })
      // What another tab offers and the API refuses is of no use. The dialog stays.
      .catch(() => {});
    return () => leave.abort();
  }, [offered, session]);
  return (
    <ModalOverlay className={controls.overlay} isOpen isKeyboardDismissDisabled>
      <Modal className={controls.dialog}>
        <Dialog>
          {held.isPortal ? (
            <Reopen />
          ) : (
            <SignInAgain accountName={session.accountName} actingIn={held.actingIn} />
          )}
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

function Title() {
  return (
    <Heading slot="title" level={2}>
      Your session has ended
    </Heading>
  );
}

function Reopen() {
  return (
    <>
      <Title />
      <p>{REOPEN}</p>
    </>
  );
}

function SignInAgain(props: { accountName: string; actingIn: number | undefined }) {
  const { accountName, actingIn } = props;
  return (
    <TokenForm actingIn={actingIn}>
      <Title />
      <p>
        {actingIn === undefined ? "Sign in with a token of " : "Sign in as an operator to act in "}
        <strong>{accountName}</strong> to go on where you are. What you have typed is kept.
      </p>
    </TokenForm>
  );
}
