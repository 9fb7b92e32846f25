import {
  createContext,
  useCallback,
  useContext,
  useEffect,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { useSession } from "../session/session-context.tsx";
import { reachability } from "./transport.ts";
import { useVisible } from "./use-visible.ts";
import { createWatch, type OnChanges, type Watch } from "./watch.ts";

/** Whether the account's changes arrive: `connecting` until a stream is open, `away` while no API answers. */
export type WatchStatus = "live" | "connecting" | "away";

const WatchContext = createContext<Watch | null>(null);

/** Watches the account's deliveries for all pages while this tab is visible, if the session may read them. */
export function WatchProvider({ children }: { children: React.ReactNode }) {
  const [watch] = useState(createWatch);
  const isVisible = useVisible();
  const mayRead = useSession().can("deliveries:read");
  useEffect(() => {
    if (!isVisible || !mayRead) return;
    const stop = new AbortController();
    void watch.run(stop.signal);
    return () => stop.abort();
  }, [watch, isVisible, mayRead]);
  return <WatchContext value={watch}>{children}</WatchContext>;
}

/**
 * Calls `onChanges` with each change of the account's deliveries; with an empty list if any of them may have
 * changed.
 */
export function useWatch(onChanges: OnChanges): WatchStatus {
  const watch = useContext(WatchContext);
  if (watch === null) throw new Error("useWatch is used outside of WatchProvider");
  const latest = useRef(onChanges);
  latest.current = onChanges;
  useEffect(() => watch.onChanges((changes) => latest.current(changes)), [watch]);
  const isOpen = useSyncExternalStore(
    useCallback((listener: () => void) => watch.onOpen(listener), [watch]),
    watch.isOpen,
  );
  const isAway = useSyncExternalStore(reachability.subscribe, reachability.isAway);
  if (isAway) return "away";
  return isOpen ? "live" : "connecting";
}
