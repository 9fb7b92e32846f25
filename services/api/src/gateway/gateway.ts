import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { Principal } from "@posthaste/store";
import type { FastifyInstance } from "fastify";
import type { BodyRoom } from "../access/places.ts";
import { publicKeyRoute } from "./public-key-route.ts";
import { readBodies } from "./read-body.ts";
import { type WebhookParts, webhookRoutes } from "./webhook-routes.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The caller, once authenticated. */
    principal: Principal | undefined;
  }
}

/** The REST gateway: `/api/Webhook`, its OpenAPI document and the page that renders it. */
export async function gateway(
  app: FastifyInstance,
  { parts, bodyBytesMax }: { parts: WebhookParts & { bodyRoom: BodyRoom }; bodyBytesMax: number },
): Promise<void> {
  app.decorateRequest("principal", undefined);
  readBodies(app, bodyBytesMax, parts);
  // The schemas serve only the document. Handlers check requests themselves, so that errors say what to do.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (body) => JSON.stringify(body));

  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Posthaste",
        version: "0.1.0",
        description: "Subscribe to events and receive a snapshot of each over HTTP.",
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
    theme: { title: "Posthaste's REST API" },
    // Without the bar at the top, which bears the logo of a library.
    uiConfig: { layout: "BaseLayout" },
  });
}

/**
 * Tightens the page's content security policy: no images or styles of other sites, no frame around the page,
 * and no upgrade to https, which the plaintext port does not speak.
 */
function ownPage(policy: string): string {
  return policy
    .replace("upgrade-insecure-requests;", "")
    .replace(" validator.swagger.io", "")
    .replace("frame-ancestors 'self'", "frame-ancestors 'none'")
    .replaceAll(/ https:(?=[ ;])/g, "")
    .trim();
}
