import type { FastifyInstance } from "fastify";
import { sendProblem } from "../http/problem.ts";
import type { Inboxes } from "./inboxes.ts";

/** Where an inbox takes what is sent to it. */
export function inboxPath(id: string): string {
  return `/inbox/${id}`;
}

/** Takes webhooks for the inboxes. Whoever knows an inbox's address may send to it, as to any receiver. */
export async function inboxRoute(
  app: FastifyInstance,
  { inboxes, bodyBytesMax }: { inboxes: Inboxes; bodyBytesMax: number },
): Promise<void> {
  app.removeAllContentTypeParsers();
  // Any media type, and as it came: its signature is over the bytes.
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
      // 410: a subscription to it ends, instead of being tried for days.
      return sendProblem(reply, {
        title: "There is no such inbox",
        status: 410,
        detail: "this inbox is gone, with what it kept; make a new one",
      });
    }
    return await reply.code(status).type("text/plain; charset=utf-8").send(`answered with ${status}\n`);
  });
}
