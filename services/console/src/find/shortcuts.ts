/** Returns whether a key goes into what the reader writes, or works a control that has a use for it. */
export function isTyping({ target }: Pick<KeyboardEvent, "target">): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

/** Returns whether a key opens the actions: ⌘K, or Ctrl+K where there is no ⌘. */
export function opensActions({ key, metaKey, ctrlKey, shiftKey, altKey }: KeyboardEvent): boolean {
  return key.toLowerCase() === "k" && metaKey !== ctrlKey && !shiftKey && !altKey;
}
