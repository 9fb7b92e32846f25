import { useState } from "react";
import { Button } from "react-aria-components/Button";
import { Dialog, DialogTrigger } from "react-aria-components/Dialog";
import { Heading } from "react-aria-components/Heading";
import { Modal, ModalOverlay } from "react-aria-components/Modal";
import controls from "./controls.module.css";
import { ErrorNote } from "./error-note.tsx";

/** A button that asks for confirmation before it acts. */
export function ConfirmButton(props: {
  label: React.ReactNode;
  title: string;
  children: React.ReactNode;
  confirmLabel: string;
  /** Default: `Cancel`. */
  dismissLabel?: string;
  isDanger?: boolean;
  onConfirm(): Promise<unknown>;
}) {
  const { label, title, children, confirmLabel, dismissLabel = "Cancel" } = props;
  const { isDanger = false, onConfirm } = props;
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const confirm = async (close: () => void) => {
    setBusy(true);
    setError(undefined);
    try {
      await onConfirm();
      close();
    } catch (caught) {
      setError(caught);
    } finally {
      setBusy(false);
    }
  };
  return (
    <DialogTrigger onOpenChange={() => setError(undefined)}>
      <Button className={`${controls.button} ${isDanger ? controls.danger : ""}`}>{label}</Button>
      <ModalOverlay className={controls.overlay} isDismissable>
        <Modal className={controls.dialog}>
          <Dialog role="alertdialog">
            {({ close }) => (
              <>
                <Heading slot="title" level={2}>
                  {title}
                </Heading>
                {children}
                {error !== undefined && <ErrorNote error={error} />}
                <div className={controls.actions}>
                  <Button className={controls.button} onPress={close} autoFocus>
                    {dismissLabel}
                  </Button>
                  <Button
                    className={`${controls.button} ${controls.primary}`}
                    isPending={isBusy}
                    onPress={() => void confirm(close)}
                  >
                    {confirmLabel}
                  </Button>
                </div>
              </>
            )}
          </Dialog>
        </Modal>
      </ModalOverlay>
    </DialogTrigger>
  );
}
