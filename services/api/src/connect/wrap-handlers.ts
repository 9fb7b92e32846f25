import type { ConnectRouter } from "@connectrpc/connect";

export type Handler = ConnectRouter["handlers"][number];
export type Request = Parameters<Handler>[0];
export type Answer = Awaited<ReturnType<Handler>>;

/**
 * Puts a function around each handler of a router. What is wrapped later runs first.
 *
 * @param wrap returns what is called instead of the handler; the handler itself to leave it as it is
 */
export function wrapHandlers(
  router: ConnectRouter,
  wrap: (handler: Handler) => (request: Request) => Promise<Answer>,
): void {
  router.handlers.forEach((handler, i) => {
    router.handlers[i] = Object.assign(wrap(handler), handler);
  });
}
