import { Refusal } from "@posthaste/domain";
import { listPublicKeys, type PublicKey } from "@posthaste/store";
import type { FastifyInstance } from "fastify";
import type { Deps } from "../deps.ts";
import { publicKeysPath } from "../subscriptions/public-keys.ts";
import { SCHEMAS } from "./schemas.ts";

/**
 * Short enough for a key replaced without overlap, and long enough that receivers need not fetch per
 * delivery.
 */
const MAX_AGE_S = 300;
/** MySQL would ignore a space at the end of any other text. */
const KEY_SET = /^[\w-]{1,32}$/;

/**
 * Serves a subscription's public keys to receivers that share no secret. Anyone who has the path may read
 * them.
 */
export function publicKeyRoute(app: FastifyInstance, { store, now }: Pick<Deps, "store" | "now">): void {
  app.get(publicKeysPath(":keySet"), { schema: SCHEMAS.publicKeys }, async (request, reply) => {
    const { keySet } = request.params as { keySet: string };
    const keys = KEY_SET.test(keySet) ? await listPublicKeys(store, { keySet, now: now() }) : undefined;
    if (keys === undefined) {
      throw new Refusal("not_found", "no live subscription has this key set");
    }
    return await reply
      .type("application/jwk-set+json")
      .header("cache-control", `public, max-age=${MAX_AGE_S}`)
      // Receivers may be pages and edge functions of any origin, and the keys are public.
      .header("access-control-allow-origin", "*")
      .send(JSON.stringify({ keys: keys.map(jwkOf) }));
  });
}

function jwkOf({ publicKey, expiresAt }: PublicKey) {
  const x = Buffer.from(publicKey.slice("whpk_".length), "base64").toString("base64url");
  return {
    kty: "OKP",
    crv: "Ed25519",
    alg: "EdDSA",
    use: "sig",
    x,
    whpk: publicKey,
    ...(expiresAt === null ? {} : { exp: Math.floor(expiresAt / 1000) }),
  };
}
