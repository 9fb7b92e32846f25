import { Autocomplete, useFilter } from "react-aria-components/Autocomplete";
import { Dialog } from "react-aria-components/Dialog";
import { Input } from "react-aria-components/Input";
import { Menu, MenuItem } from "react-aria-components/Menu";
import { Modal, ModalOverlay } from "react-aria-components/Modal";
import { SearchField } from "react-aria-components/SearchField";
import { useLocation } from "wouter";
import { GUIDE_NAME, GUIDE_PATH } from "../guide/guide-address.ts";
import controls from "../parts/controls.module.css";
import { useSession } from "../session/session-context.tsx";
import styles from "./actions.module.css";

type Action = { readonly id: string; readonly name: string; readonly run: () => void };

/** Lists what can be done from anywhere, to be chosen by typing a part of its name. */
export function Actions({ places, onClose }: { places: readonly Place[]; onClose(): void }) {
  const [, navigate] = useLocation();
  const { can, signOut } = useSession();
  const { contains } = useFilter({ sensitivity: "base" });
  const goTo = ({ path, name }: Place): Action => ({ id: path, name, run: () => navigate(path) });
  const actions: Action[] = [
    ...places.map((place) => goTo({ ...place, name: `Go to ${place.name}` })),
    ...(can("subscriptions:write") ? [goTo({ path: "/subscriptions/new", name: "New subscription" })] : []),
    ...(can("deliveries:read")
      ? [
          goTo({ path: "/deliveries?state=started&attempts=1", name: "Show deliveries that are retrying" }),
          goTo({ path: "/deliveries?state=exhausted", name: "Show exhausted deliveries" }),
          goTo({ path: "/subscriptions?which=failing", name: "Show failing subscriptions" }),
        ]
      : []),
    goTo({ path: GUIDE_PATH, name: `Read the ${GUIDE_NAME.toLowerCase()}` }),
    { id: "sign-out", name: "Sign out", run: signOut },
  ];
  return (
    <ModalOverlay className={controls.overlay} isOpen isDismissable onOpenChange={onClose}>
      <Modal className={`${controls.dialog} ${styles.dialog}`}>
        <Dialog aria-label="Actions">
          <Autocomplete filter={contains}>
            <SearchField aria-label="Find an action" autoFocus className={styles.search}>
              <Input className={controls.input} placeholder="What do you want to do?" />
            </SearchField>
            <Menu
              aria-label="Actions"
              className={styles.list}
              items={actions}
              renderEmptyState={() => <p className={styles.none}>No action has this name.</p>}
              onAction={(key) => {
                onClose();
                actions.find(({ id }) => id === key)?.run();
              }}
            >
              {({ name }) => (
                <MenuItem className={controls.option} textValue={name}>
                  {name}
                </MenuItem>
              )}
            </Menu>
          </Autocomplete>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

export type Place = { readonly path: string; readonly name: string };
