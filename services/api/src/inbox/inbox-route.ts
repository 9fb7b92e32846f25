import type { FastifyInstance } from "fastify";
import { sendProblem } from "../http/problem.ts";
import type { Inboxes } from "./inboxes.ts";

/** Returns the path at which an inbox receives webhooks. */
export function inboxPath(id: string): string {
  return `/inbox/${id}`;
}

/**
 * Receives webhooks for the inboxes. Anyone who knows an inbox's address may send to it, as to any receiver.
 */
export async function inboxRoute(
  app: FastifyInstance,
  { inboxes, bodyBytesMax }: { inboxes: Inboxes; bodyBytesMax: number },
): Promise<void> {
  app.removeAllContentTypeParsers();
  // Any media type, unparsed: the signature covers the bytes.
  app.addContentTypeParser(
    "*",
    { parseAs: "buffer", bodyLimit: bodyBytesMax },
    async (_request: unknown, body: Buffer) => body,
  );
  app.post(inboxPath(":inboxId"), { schema: { hide: true } }, async (request, reply) => {
    const { inboxId } = request.params as { inboxId: string };
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const status = inboxes.receive(inboxId, {
      method: request.method,
      headers: Object.entries(request.headers).map(([name, value]) => [name, String(value ?? "")]),
      body,
    });
    if (status === undefined) {
      // 410 ends a subscription to this inbox, instead of days of retries.
      return sendProblem(reply, {
        title: "Gone",
        status: 410,
        detail: "this inbox has expired with all its requests; create a new one",
        reason: "INBOX_EXPIRED",
      });
    }
    return await reply.code(status).type("text/plain; charset=utf-8").send(`answered with ${status}\n`);
  });
}
