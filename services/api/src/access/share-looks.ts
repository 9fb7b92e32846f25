/**
 * Coalesces the look-ups for one key within a turn of the event loop. The look-up starts after all of them
 * were requested, so no answer is older than its request: every later call sees an earlier revocation.
 */
export function shareLooks<T>(lookUp: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const requested = new Map<string, Promise<T>>();
  return (key) => {
    const shared = requested.get(key);
    if (shared !== undefined) return shared;
    const answer = new Promise(setImmediate).then(() => {
      requested.delete(key);
      return lookUp(key);
    });
    requested.set(key, answer);
    return answer;
  };
}
