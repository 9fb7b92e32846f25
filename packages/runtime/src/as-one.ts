/** Lets those who ask while a question is under way share its answer. The next one asks again. */
export function asOne<T>(ask: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<T> | undefined;
  return async () => {
    underWay ??= ask().finally(() => {
      underWay = undefined;
    });
    return await underWay;
  };
}
