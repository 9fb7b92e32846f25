import { asOne, type Readiness, readinessOf } from "@posthaste/runtime";
import { type Store, whyDatabaseAway } from "@posthaste/store";
import type { FastifyInstance } from "fastify";

type HealthParts = {
  readonly store: Store;
  /** Why Temporal is away; undefined: it is there. */
  readonly whyTemporalAway: () => Promise<string | undefined>;
};

/**
 * Serves `/healthz` and `/readyz`, and returns what the latter answers. Readiness ignores Temporal: events
 * are accepted without it.
 *
 * @param stopping aborted once the server stops, so that whoever asks takes it out of the rotation
 */
export function serveHealth(
  app: FastifyInstance,
  { store, whyTemporalAway }: HealthParts,
  stopping: AbortSignal,
): () => Promise<Readiness> {
  // In parallel: a probe times out after a few seconds.
  const whyAway = asOne(() => Promise.all([whyDatabaseAway(store), whyTemporalAway()]));
  const readiness = async () => {
    const [database, temporal] = await whyAway();
    const { body } = readinessOf({ database, temporal });
    if (stopping.aborted) return { isReady: false, body: { ...body, process: "stopping" } };
    return { isReady: database === undefined, body };
  };
  app.get("/healthz", async () => ({ status: "ok" }));
  app.get("/readyz", async (_request, reply) => {
    const { isReady, body } = await readiness();
    return await reply.code(isReady ? 200 : 503).send(body);
  });
  return readiness;
}
