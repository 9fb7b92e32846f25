import { type RefObject, useEffect, useRef } from "react";
import { useLocation } from "wouter";

let isLaterPage = false;

/**
 * Moves the focus to a new page's heading, so that screen readers announce it and the keyboard goes on from
 * there. The first page keeps the browser's focus. A title that changes on the same page moves nothing.
 *
 * @returns the heading's ref; the heading needs `tabIndex={-1}`
 */
export function usePageHeading(): RefObject<HTMLHeadingElement | null> {
  const heading = useRef<HTMLHeadingElement>(null);
  const [path] = useLocation();
  // biome-ignore lint/correctness/useExhaustiveDependencies: another address is another page
  useEffect(() => {
    if (isLaterPage) heading.current?.focus({ preventScroll: true });
    isLaterPage = true;
  }, [path]);
  return heading;
}
