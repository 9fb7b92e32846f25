import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { Principal } from "@posthaste/store";
import type { FastifyInstance } from "fastify";
import { publicKeyRoute } from "./public-key-route.ts";
import { readBodies } from "./read-body.ts";
import { type WebhookParts, webhookRoutes } from "./webhook-routes.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Who makes the request, once it is known. */
    principal: Principal | undefined;
  }
}

/** The REST gateway: `/api/Webhook`, its OpenAPI document and the page that shows it. */
export async function gateway(
  app: FastifyInstance,
  { parts, bodyBytesMax }: { parts: WebhookParts; bodyBytesMax: number },
): Promise<void> {
  app.decorateRequest("principal", undefined);
  readBodies(app, bodyBytesMax);
  // Schemas are for the document. Requests are read by hand, so that errors say what to do.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (body) => JSON.stringify(body));

  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Posthaste",
        version: "0.1.0",
        description: "Subscribe to events and get a snapshot of each by HTTP.",
      },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
    },
  });
  webhookRoutes(app, parts);
  publicKeyRoute(app, parts);
  app.get("/api/openapi.json", { schema: { hide: true } }, async () => app.swagger());
  await app.register(swaggerUi, {
    routePrefix: "/api/docs",
    staticCSP: true,
    transformStaticCSP: ownPage,
  });
}

/**
 * The page's policy without what is not ours: no other site's pictures or styles, no frame around it, and no upgrade
 * to https, which the port behind a plain address does not speak.
 */
function ownPage(policy: string): string {
  return policy
    .replace("upgrade-insecure-requests;", "")
    .replace(" validator.swagger.io", "")
    .replace("frame-ancestors 'self'", "frame-ancestors 'none'")
    .replaceAll(/ https:(?=[ ;])/g, "")
    .trim();
}
