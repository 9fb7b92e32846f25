import { type FocusEvent, type RefObject, useEffect, useState } from "react";

/**
 * Tells whether the reader is at a list, so that its rows must not move: with the pointer, with the focus, or
 * scrolled down.
 *
 * @param top an element of no height above the first row
 */
export function useHold(top: RefObject<HTMLElement | null>) {
  const [isHovered, setHovered] = useState(false);
  const [hasFocus, setFocus] = useState(false);
  const isScrolled = useScrolledPast(top);
  return {
    isHeld: isHovered || hasFocus || isScrolled,
    pointer: {
      // React misses an entry into a page that has just come under a pointer at rest, as after Back.
      onPointerOver: () => setHovered(true),
      onPointerLeave: () => setHovered(false),
    },
    focus: {
      onFocus: () => setFocus(true),
      onBlur: ({ currentTarget, relatedTarget }: FocusEvent) =>
        setFocus(currentTarget.contains(relatedTarget)),
    },
  };
}

/** Returns whether an element is above the window. */
function useScrolledPast(element: RefObject<HTMLElement | null>): boolean {
  const [isPast, setPast] = useState(false);
  useEffect(() => {
    if (element.current === null) return;
    const observer = new IntersectionObserver(([entry]) => {
      setPast(entry !== undefined && !entry.isIntersecting && entry.boundingClientRect.top < 0);
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return isPast;
}
