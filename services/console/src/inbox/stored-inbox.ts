const KEY = "posthaste.inbox";
let inMemory: string | null = null;

/** Returns the id of the inbox that this tab shows. */
export function storedInboxId(): string | null {
  try {
    return sessionStorage.getItem(KEY) ?? inMemory;
  } catch {
    // The browser denies storage: use memory.
    return inMemory;
  }
}

export function storeInboxId(id: string): void {
  inMemory = id;
  try {
    sessionStorage.setItem(KEY, id);
  } catch {
    // The browser denies storage: use memory.
  }
}
