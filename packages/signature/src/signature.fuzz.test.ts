import { fuzzing } from "@posthaste/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromBase64, toBase64 } from "./base64.ts";
import { sign } from "./sign.ts";
import { SignatureError } from "./signature-error.ts";
import { verify } from "./verify.ts";

const NOW_S = 1_700_000_000;
const OPTIONS = { now: NOW_S * 1_000 };
/** RFC 8032, section 7.1, test 1. */
const PAIR = {
  private: "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=",
  public: "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
};

const secret = fc
  .uint8Array({ minLength: 24, maxLength: 64 })
  .map((bytes) => `whsec_${Buffer.from(bytes).toString("base64")}`);
const id = fc.string({ unit: fc.constantFrom(..."abcXYZ019_-"), minLength: 1, maxLength: 40 });
const body = fc.uint8Array({ maxLength: 300 });
/** Resembles a signature header, but is rarely a valid one. */
const signatureLike = fc
  .array(
    fc.oneof(
      fc.string({ maxLength: 120 }),
      fc.base64String({ maxLength: 120 }).map((text) => `v1,${text}`),
      fc.base64String({ maxLength: 120 }).map((text) => `v1a,${text}`),
      fc.constantFrom("v1,", "v1a", ",", "v1,====", "v2,AAAA", "v1,v1,v1"),
    ),
    { maxLength: 20 },
  )
  .map((parts) => parts.join(" "));
const headerValue = fc.oneof(
  fc.string({ unit: "binary", maxLength: 200 }),
  signatureLike,
  fc.constant(undefined),
  fc.array(fc.string(), { maxLength: 3 }),
);

test("random headers, bodies and keys cause no error other than a SignatureError", async () => {
  const timestamp = fc.oneof(fc.integer().map(String), fc.string(), fc.constant(String(NOW_S)));
  const key = fc.oneof(
    secret,
    fc.string(),
    fc.string().map((text) => `whsec_${text}`),
    fc.string().map((text) => `whpk_${text}`),
  );
  await fc.assert(
    fc.asyncProperty(
      headerValue,
      fc.oneof(timestamp, headerValue),
      headerValue,
      fc.oneof(body, fc.string({ unit: "binary" })),
      fc.array(key, { maxLength: 3 }),
      async (webhookId, webhookTimestamp, webhookSignature, content, keys) => {
        const headers = {
          "webhook-id": webhookId,
          "webhook-timestamp": webhookTimestamp,
          "webhook-signature": webhookSignature,
        };
        const error = await verify({ headers, body: content }, keys, OPTIONS).then(
          () => "accepted",
          (thrown: unknown) => thrown,
        );
        expect(error).toBeInstanceOf(SignatureError);
      },
    ),
    fuzzing(),
  );
});

/** The error of a call, or undefined. */
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

test("whatever is passed causes no error other than a SignatureError", async () => {
  const headers = {
    "webhook-id": "msg_1",
    "webhook-timestamp": String(NOW_S),
    "webhook-signature": `v1,${Buffer.alloc(32).toString("base64")}`,
  };
  const keys = [`whsec_${Buffer.alloc(24).toString("base64")}`];
  const verifyAny = verify as (...args: unknown[]) => Promise<unknown>;
  const anything = fc.anything({
    ...{ withMap: true, withTypedArray: true, withNullPrototype: true },
    ...{ withBigInt: true, withSparseArray: true },
  });
  await fc.assert(
    fc.asyncProperty(anything, async (any) => {
      const errors = await Promise.all([
        errorOf(verifyAny(any, keys, OPTIONS)),
        errorOf(verifyAny({ headers: any, body: "{}" }, keys, OPTIONS)),
        errorOf(verifyAny({ headers, body: any }, keys, OPTIONS)),
        errorOf(verifyAny({ headers, body: "{}" }, any, OPTIONS)),
        errorOf(verifyAny({ headers, body: "{}" }, keys, any)),
        errorOf(verifyAny({ headers, body: "{}" }, keys, { now: any })),
        errorOf(verifyAny({ headers, body: "{}" }, keys, { ...OPTIONS, toleranceMs: any })),
      ]);
      for (const error of errors) expect(error).toBeInstanceOf(SignatureError);
      const signing = await errorOf(sign({ id: "msg_1", timestamp: NOW_S, body: "{}" }, any as string[]));
      if (signing !== undefined) expect(signing).toBeInstanceOf(SignatureError);
    }),
    fuzzing(),
  );
});

describe.each(["v1", "v1a"] as const)("a webhook signed with %s", (scheme) => {
  const keysOf = (shared: string) =>
    scheme === "v1"
      ? { signing: shared, verifying: shared }
      : { signing: PAIR.private, verifying: PAIR.public };

  test("is accepted unchanged, and refused after any change", async () => {
    await fc.assert(
      fc.asyncProperty(secret, id, body, fc.nat(), async (shared, webhookId, content, at) => {
        const { signing, verifying } = keysOf(shared);
        const signature = await sign({ id: webhookId, timestamp: NOW_S, body: content }, [signing]);
        const webhook = {
          headers: {
            "webhook-id": webhookId,
            "webhook-timestamp": String(NOW_S),
            "webhook-signature": signature,
          },
          body: content,
        };
        expect(await verify(webhook, [verifying], OPTIONS)).toEqual({
          id: webhookId,
          signedAt: NOW_S * 1_000,
        });

        const raw = Buffer.from(signature.slice(scheme.length + 1), "base64");
        const flip = (bytes: Uint8Array) => {
          const changed = Buffer.from(bytes);
          changed[at % bytes.length] = (changed[at % bytes.length] ?? 0) ^ (1 << (at % 8));
          return changed;
        };
        const forgeries = [
          {
            ...webhook,
            headers: { ...webhook.headers, "webhook-signature": `${scheme},${flip(raw).toString("base64")}` },
          },
          { ...webhook, headers: { ...webhook.headers, "webhook-id": `${webhookId}x` } },
          {
            ...webhook,
            headers: { ...webhook.headers, "webhook-timestamp": String(NOW_S + 1 + (at % 200)) },
          },
          { ...webhook, body: Buffer.concat([content, Buffer.from([at % 256])]) },
          ...(content.length === 0 ? [] : [{ ...webhook, body: flip(content) }]),
          {
            ...webhook,
            headers: { ...webhook.headers, "webhook-signature": signature.slice(0, at % signature.length) },
          },
        ];
        for (const forgery of forgeries) {
          await expect(verify(forgery, [verifying], OPTIONS)).rejects.toBeInstanceOf(SignatureError);
        }
      }),
      fuzzing(),
    );
  });
});

test("no id is signed whose dots could separate another time and body", async () => {
  await fc.assert(
    fc.asyncProperty(secret, id, body, async (key, webhookId, content) => {
      // The same bytes as of the id alone, this time and a body that begins with it once more.
      const signing = sign({ id: `${webhookId}.${NOW_S}`, timestamp: NOW_S, body: content }, [key]);
      await expect(signing).rejects.toMatchObject({ code: "bad_body" });
    }),
    fuzzing(),
  );
});

describe("Base64", () => {
  test("encodes and decodes as Node does", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = toBase64(bytes);
        expect(text).toBe(Buffer.from(bytes).toString("base64"));
        expect(Buffer.from(fromBase64(text) ?? []).equals(Buffer.from(bytes))).toBe(true);
      }),
      fuzzing(),
    );
  });

  test("is decoded only in its canonical encoding", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.base64String(), fc.string()), (text) => {
        const bytes = fromBase64(text);
        if (bytes !== undefined) expect(toBase64(bytes)).toBe(text);
      }),
      fuzzing(),
    );
  });
});
