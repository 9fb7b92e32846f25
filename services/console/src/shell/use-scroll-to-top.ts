import { useEffect, useRef } from "react";

/** Another page begins at its top; one that a reader goes back to stays where the browser puts it. */
export function useScrollToTop(path: string): void {
  const isBack = useRef(false);
  useEffect(() => {
    const note = () => {
      isBack.current = true;
    };
    window.addEventListener("popstate", note);
    return () => window.removeEventListener("popstate", note);
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the path is what changes when another page comes
  useEffect(() => {
    if (!isBack.current) window.scrollTo(0, 0);
    isBack.current = false;
  }, [path]);
}
