/*
 * Stores the token in session storage: a reload keeps it, and closing the tab deletes it. If the browser
 * denies storage, for example inside another site's frame, the token is kept in memory.
 */

const KEY = "posthaste.token";
let inMemory: string | null = null;

export function storedToken(): string | null {
  try {
    return sessionStorage.getItem(KEY) ?? inMemory;
  } catch {
    // The browser denies storage: use memory.
    return inMemory;
  }
}

export function storeToken(token: string | null): void {
  inMemory = token;
  try {
    if (token === null) sessionStorage.clear();
    else sessionStorage.setItem(KEY, token);
  } catch {
    // The browser denies storage: use memory.
  }
}
