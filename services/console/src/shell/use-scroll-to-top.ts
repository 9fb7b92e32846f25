import { useEffect, useRef } from "react";

/** Scrolls each new page to its top. After Back or Forward, the browser's restored position stays. */
export function useScrollToTop(path: string): void {
  const isBack = useRef(false);
  const shown = useRef(location.pathname);
  useEffect(() => {
    const note = () => {
      // Links within a page and Back to its earlier filters also come here, and lead to no other page.
      isBack.current = location.pathname !== shown.current;
    };
    window.addEventListener("popstate", note);
    return () => window.removeEventListener("popstate", note);
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the effect must run when the path changes
  useEffect(() => {
    if (!isBack.current) window.scrollTo(0, 0);
    isBack.current = false;
    shown.current = location.pathname;
  }, [path]);
}
