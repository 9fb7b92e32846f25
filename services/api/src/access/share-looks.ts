/**
 * Has calls that ask for the same thing in one turn of the event loop share one look. The look begins after all of them have
 * asked, so nobody gets an answer that is older than the question: what was revoked before is seen by every call after.
 */
export function shareLooks<T>(look: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const asked = new Map<string, Promise<T>>();
  return (key) => {
    const before = asked.get(key);
    if (before !== undefined) return before;
    const begun = new Promise(setImmediate).then(() => {
      asked.delete(key);
      return look(key);
    });
    asked.set(key, begun);
    return begun;
  };
}
