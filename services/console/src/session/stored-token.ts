/*
 * Where the token is kept: in session storage, so that a reload does not ask for it again, and gone with the tab. Where a
 * browser denies storage, as it may inside another's frame, in memory.
 */

const KEY = "posthaste.token";
let inMemory: string | null = null;

export function storedToken(): string | null {
  try {
    return sessionStorage.getItem(KEY) ?? inMemory;
  } catch {
    // No storage: memory it is.
    return inMemory;
  }
}

export function storeToken(token: string | null): void {
  inMemory = token;
  try {
    if (token === null) sessionStorage.clear();
    else sessionStorage.setItem(KEY, token);
  } catch {
    // No storage: memory it is.
  }
}
