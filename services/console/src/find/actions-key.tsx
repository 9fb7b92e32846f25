import { lazy, Suspense, useEffect, useState } from "react";
import type { Place } from "./actions.tsx";
import { opensActions } from "./shortcuts.ts";

/** Loaded when it is first opened. */
const Actions = lazy(async () => ({ default: (await import("./actions.tsx")).Actions }));

/** Opens the actions with ⌘K or Ctrl+K. */
export function ActionsKey({ places }: { places: readonly Place[] }) {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    const toggle = (event: KeyboardEvent) => {
      if (!opensActions(event)) return;
      event.preventDefault();
      setOpen((wasOpen) => !wasOpen);
    };
    window.addEventListener("keydown", toggle);
    return () => window.removeEventListener("keydown", toggle);
  }, []);
  if (!isOpen) return null;
  return (
    <Suspense>
      <Actions places={places} onClose={() => setOpen(false)} />
    </Suspense>
  );
}
