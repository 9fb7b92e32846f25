const KEY = "posthaste.inbox";
let inMemory: string | null = null;

/** The inbox that this tab looks at. */
export function storedInboxId(): string | null {
  try {
    return sessionStorage.getItem(KEY) ?? inMemory;
  } catch {
    // No storage: memory it is.
    return inMemory;
  }
}

export function storeInboxId(id: string): void {
  inMemory = id;
  try {
    sessionStorage.setItem(KEY, id);
  } catch {
    // No storage: memory it is.
  }
}
