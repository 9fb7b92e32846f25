import { useEffect, useRef } from "react";

/** Scrolls each new page to its top. After Back or Forward, the browser's restored position stays. */
export function useScrollToTop(path: string): void {
  const isBack = useRef(false);
  useEffect(() => {
    const note = () => {
      isBack.current = true;
    };
    window.addEventListener("popstate", note);
    return () => window.removeEventListener("popstate", note);
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the effect must run when the path changes
  useEffect(() => {
    if (!isBack.current) window.scrollTo(0, 0);
    isBack.current = false;
  }, [path]);
}
