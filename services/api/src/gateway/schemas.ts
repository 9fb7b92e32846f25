import { TARGET_URL_CHARS_MAX } from "@posthaste/domain";
import { documentedReasons } from "../http/refusal-table.ts";

/*
 * The gateway's schemas for the OpenAPI document. The handlers check requests, not these schemas; a suite of
 * others checks that both agree (`tools/src/conformance/schemathesis.ts`).
 */

/** The reasons of problems. No enum: more may be added. */
const reasons = documentedReasons().flatMap(({ reason, http }) => (http === undefined ? [] : [reason]));

const subscriptionRow = {
  type: "object",
  required: ["SubscriptionID", "EventCode", "NotificationURL", "UserIDFK"],
  properties: {
    SubscriptionID: { type: "integer", format: "int32", description: "The subscription's ID." },
    EventCode: { type: "string", description: "One of its event types; `*` means all." },
    NotificationURL: { type: "string", format: "uri", description: "The URL that deliveries are sent to." },
    UserIDFK: { type: "integer", format: "int32", description: "The number of the token's owner." },
  },
} as const;

const list = {
  type: "object",
  description: "A subscription with several event types has one row for each.",
  required: ["Webhooks"],
  properties: { Webhooks: { type: "array", items: subscriptionRow } },
} as const;

const problem = {
  description: "A problem (RFC 9457): what is wrong, where, and what to do.",
  content: {
    "application/problem+json": {
      schema: {
        type: "object",
        required: ["type", "title", "status", "detail", "reason"],
        properties: {
          type: { type: "string" },
          title: { type: "string" },
          status: { type: "integer" },
          detail: { type: "string" },
          reason: {
            type: "string",
            pattern: "^[A-Z][A-Z0-9_]+[A-Z0-9]$",
            description: "Which problem it is, for programs; docs/errors.md says what each means.",
            examples: [...new Set(reasons)],
          },
          field: { type: "string", description: "The field at fault." },
        },
      },
    },
  },
} as const;

const busy = {
  ...problem,
  headers: {
    "Retry-After": { schema: { type: "integer" }, description: "Seconds after which to try again." },
  },
} as const;

/** The problems of a route. Every route may also answer 429, 503 and what no route has read. */
const problems = (...codes: readonly number[]) => ({
  ...Object.fromEntries([...codes, 400, 408, 414, 431].map((code) => [code, problem])),
  429: busy,
  503: busy,
});

const security = [{ token: [] }];
const tags = ["Webhook"];
const id = {
  type: "object",
  required: ["id"],
  properties: {
    id: {
      type: "integer",
      format: "int32",
      minimum: 1,
      maximum: 2_147_483_647,
      description: "The subscription's ID.",
    },
  },
} as const;

/** A host name, an IPv4 or an IPv6 address. */
const HOST = String.raw`([\w-]{1,63}\.){0,30}[A-Za-z][\w-]{0,62}\.?|\d{1,3}(\.\d{1,3}){3}|\[[0-9A-Fa-f:.]+\]`;
const PORT = String.raw`(6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|\d{1,4})`;

const targetUrl = {
  type: "string",
  format: "uri",
  // Only URLs that do not become longer, and so too long, when they are normalised.
  pattern: `^https?://(${HOST})(:${PORT})?(/[^\\s#]*)?$`,
  maxLength: TARGET_URL_CHARS_MAX,
  description:
    "An http or https URL without credentials and fragment. Its host must be on the public internet and its port " +
    "one of HTTP's or at least 1024; any other is answered 422.",
  examples: ["https://yoursite.com/yourpage"],
} as const;

export const SCHEMAS = {
  publicKeys: {
    tags: ["Signatures"],
    summary: "Get the public keys of a subscription",
    description:
      "The Ed25519 keys that verify the `v1a` signatures of its deliveries, newest first, as a JSON Web Key " +
      "Set (RFC 7517, RFC 8037). Each key also has its `whpk_` form. Fetch the keys again if none verifies a " +
      "delivery.",
    params: {
      type: "object",
      required: ["keySet"],
      properties: {
        keySet: {
          type: "string",
          pattern: "^[A-Za-z0-9_-]{1,32}$",
          description: "The last segment of the subscription's `public_keys` path.",
        },
      },
    },
    response: {
      200: {
        description: "The keys.",
        content: {
          "application/jwk-set+json": {
            schema: {
              type: "object",
              required: ["keys"],
              properties: {
                keys: {
                  type: "array",
                  items: {
                    type: "object",
                    required: ["kty", "crv", "x", "use", "alg", "whpk"],
                    properties: {
                      kty: { const: "OKP" },
                      crv: { const: "Ed25519" },
                      alg: { const: "EdDSA" },
                      use: { const: "sig" },
                      x: { type: "string", description: "The 32 bytes of the key, as Base64url." },
                      whpk: { type: "string", description: "The key in the form of Standard Webhooks." },
                      exp: {
                        type: "integer",
                        description:
                          "When the key stops signing, in epoch seconds; absent for the current key.",
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
      ...problems(404),
    },
  },
  create: {
    tags,
    security,
    summary: "Subscribe a URL to an event",
    description:
      "From now on, each such event is sent to `target_url` by POST. The body is a JSON array with exactly one " +
      "item, the entity's snapshot. Answer 200. After any other answer, delivery is retried after about 10 " +
      "minutes, then another 30, 90, 190 minutes and so on, up to 13 retries, or later if `Retry-After` says so " +
      "(up to 24 hours). Answer 410 to unsubscribe. An attempt ends after 15 s. Redirects are not followed. The " +
      "receiver speaks HTTP/1.1, over TLS 1.2 or newer. Its answer may have 200 headers, of 16 KiB together; of the " +
      "body, 16 KiB are read, and the status counts however long it is.",
    consumes: ["application/json", "application/x-www-form-urlencoded"],
    body: {
      type: "object",
      required: ["target_url", "event"],
      properties: {
        target_url: targetUrl,
        event: {
          type: "string",
          pattern: String.raw`^(\*|[a-z][a-z0-9_]*([.-][a-z0-9_]+)*)$`,
          maxLength: 64,
          description: "An event type of the catalogue, or `*` for all event types.",
          examples: ["contact_created"],
        },
        secret: {
          type: "string",
          pattern: String.raw`^[^\x00-\x1f\x7f]*$`,
          maxLength: 255,
          description: "Sent with every delivery as `Authorization: Basic base64(secret)`.",
        },
      },
    },
    response: {
      201: {
        description: "Subscribed.",
        type: "object",
        required: ["ID", "id"],
        properties: {
          ID: { type: "integer", format: "int32", description: "The new subscription's ID." },
          id: { type: "integer", format: "int32", description: "The same as `ID`." },
          signing_secret: {
            type: "string",
            description:
              "Verifies the `v1` signature of every delivery (Standard Webhooks). Shown only once; keep it secret.",
          },
          public_keys: {
            type: "string",
            description:
              "The path of the public keys that verify the `v1a` signature, as a JSON Web Key Set. Needs no token.",
          },
        },
      },
      ...problems(401, 403, 409, 413, 415, 422),
    },
  },
  list: {
    tags,
    security,
    summary: "List your subscriptions",
    response: { 200: list, ...problems(401, 403) },
  },
  get: {
    tags,
    security,
    summary: "Get one subscription",
    params: id,
    response: { 200: list, ...problems(401, 403, 404) },
  },
  remove: {
    tags,
    security,
    summary: "Unsubscribe",
    description: "Deleting a subscription again also answers 200.",
    params: id,
    response: { 200: { type: "object", description: "Unsubscribed." }, ...problems(401, 403, 404) },
  },
  removeByUrl: {
    tags,
    security,
    summary: "Unsubscribe a URL from all events",
    querystring: {
      type: "object",
      required: ["target_url"],
      properties: { target_url: targetUrl },
    },
    response: { 200: { type: "object", description: "Unsubscribed." }, ...problems(401, 403, 404) },
  },
} as const;
