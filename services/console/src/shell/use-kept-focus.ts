import { useEffect } from "react";

/**
 * Keeps the focus on the page if the browser would leave it nowhere, so that the keyboard began at the top
 * again. A button that is disabled while it works gets the focus back. If what had the focus goes away, such
 * as the button of a finished action, the page's heading gets it.
 */
export function useKeptFocus(): void {
  useEffect(() => {
    let last: Element | null = null;
    const onFocus = ({ target }: FocusEvent) => {
      last = target instanceof Element ? target : null;
    };
    const onBlur = ({ relatedTarget }: FocusEvent) => {
      // The reader may leave an element for none. Whether it was taken away shows once React is done.
      if (relatedTarget === null) queueMicrotask(() => (last = isTaken(last) ? last : null));
    };
    const onChange = () => {
      if (last?.isConnected === false) {
        last = null;
        afterFrames(FRAMES, focusHeading);
      } else if (last instanceof HTMLElement && !isTaken(last) && isNowhere()) last.focus();
    };
    const observer = new MutationObserver(onChange);
    observer.observe(document.body, { childList: true, subtree: true, attributeFilter: ["disabled"] });
    document.addEventListener("focusin", onFocus);
    document.addEventListener("focusout", onBlur);
    return () => {
      observer.disconnect();
      document.removeEventListener("focusin", onFocus);
      document.removeEventListener("focusout", onBlur);
    };
  }, []);
}

/** A dialog that closes gives the focus back to its button, if there still is one, in the next frame. */
const FRAMES = 2;

function afterFrames(count: number, act: () => void): void {
  if (count === 0) act();
  else requestAnimationFrame(() => afterFrames(count - 1, act));
}

function isTaken(element: Element | null): boolean {
  return element !== null && (!element.isConnected || element.matches(":disabled"));
}

function isNowhere(): boolean {
  return document.activeElement === document.body || document.activeElement === null;
}

function focusHeading(): void {
  if (isNowhere()) document.querySelector<HTMLElement>("main h1")?.focus({ preventScroll: true });
}
