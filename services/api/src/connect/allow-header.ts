import type { ConnectRouter } from "@connectrpc/connect";

type Handler = ConnectRouter["handlers"][number];

/** Adds `Allow` to the answer to a method that an RPC does not take (RFC 9110, section 15.5.6). */
export function allowHeader(router: ConnectRouter): void {
  router.handlers.forEach((handler, i) => {
    router.handlers[i] = Object.assign(async (request: Parameters<Handler>[0]) => {
      const answer = await handler(request);
      if (answer.status !== 405) return answer;
      const header = new Headers(answer.header);
      header.set("allow", handler.allowedMethods.join(", "));
      return { ...answer, header };
    }, handler);
  });
}
