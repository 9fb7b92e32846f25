import { describe, expect, test } from "vitest";
import { sign } from "./sign.ts";
import { SignatureError } from "./signature-error.ts";
import { type VerifyOptions, verify, type WebhookToVerify } from "./verify.ts";
import { verifyRequest } from "./verify-request.ts";

/** The test vector published with the specification. */
const VECTOR = {
  key: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  timestamp: 1_614_265_330,
  body: '{"test": 2432232314}',
  signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};
/** RFC 8032, section 7.1, test 1: a seed and its public key. */
const SEED = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
const PUBLIC = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const OTHER = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

const headersWith = (over: Record<string, string | undefined> = {}) => ({
  "webhook-id": VECTOR.id,
  "webhook-timestamp": String(VECTOR.timestamp),
  "webhook-signature": VECTOR.signature,
  ...over,
});
const check = (
  over: Record<string, string | undefined> = {},
  keys: readonly string[] = [VECTOR.key],
  { body = VECTOR.body, ...options }: VerifyOptions & { body?: string | Uint8Array } = {},
) => verify({ headers: headersWith(over), body }, keys, { now: VECTOR.timestamp * 1000, ...options });
const refused = (code: string) => expect.objectContaining({ name: "SignatureError", code });

describe("v1", () => {
  test("signs and verifies the published vector", async () => {
    expect(await sign(VECTOR, [VECTOR.key])).toBe(VECTOR.signature);
    expect(await check()).toEqual({ id: VECTOR.id, signedAt: VECTOR.timestamp * 1000 });
  });

  test("accepts a Headers object, and a body that is not UTF-8", async () => {
    const body = Uint8Array.from([0xff, 0x00, 0xfe]);
    const signature = await sign({ ...VECTOR, body }, [VECTOR.key]);
    const headers = new Headers(headersWith({ "webhook-signature": signature }) as Record<string, string>);
    const now = VECTOR.timestamp * 1000;
    expect(await verify({ headers, body }, [VECTOR.key], { now })).toMatchObject({ id: VECTOR.id });
    await expect(
      check({ "webhook-signature": signature }, [VECTOR.key], { body: "\ufffd\u0000\ufffd" }),
    ).rejects.toEqual(refused("no_match"));
  });
});

describe("headers and bodies in the forms of servers and frameworks are taken:", () => {
  const now = VECTOR.timestamp * 1000;
  const named = (spell: (name: string) => string) =>
    Object.entries(headersWith()).map(([name, value]) => [spell(name), value] as const);
  const capitals = (name: string) => name.replace(/(^|-)./g, (start) => start.toUpperCase());
  const list = ([name, value]: readonly [string, unknown]) => [name, [value]];
  const bytes = new TextEncoder().encode(VECTOR.body);

  test.each([
    ["names in capitals", Object.fromEntries(named(capitals)), VECTOR.body],
    ["lists of one value", Object.fromEntries(named(capitals).map(list)), VECTOR.body],
    ["a Map", new Map(named(capitals)), VECTOR.body],
    [
      "another library's Headers",
      { get: (name: string) => headersWith()[name as "webhook-id"] },
      VECTOR.body,
    ],
    ["an ArrayBuffer", headersWith(), bytes.buffer],
    ["a view of other bytes", headersWith(), new DataView(bytes.buffer)],
    ["Node's buffer", headersWith(), Buffer.from(`x${VECTOR.body}`).subarray(1)],
  ])("%s", async (_what, headers, body) => {
    const webhook = { headers, body } as unknown as WebhookToVerify;
    expect(await verify(webhook, [VECTOR.key], { now })).toMatchObject({ id: VECTOR.id });
  });
});

describe("a mistake of the receiver's is named:", () => {
  const now = VECTOR.timestamp * 1000;
  const withBody = (body: unknown) =>
    verify({ headers: headersWith(), body } as unknown as WebhookToVerify, [VECTOR.key], { now });

  test.each([[[JSON.parse(VECTOR.body)]], [JSON.parse(VECTOR.body)]])(
    "a parsed body gets the cure: %j",
    async (body) => {
      await expect(withBody(body)).rejects.toEqual(refused("bad_body"));
      await expect(withBody(body)).rejects.toThrow('express.raw({ type: "application/json" })');
    },
  );

  test.each([undefined, null, 5])("no body at all: %s", async (body) => {
    await expect(withBody(body)).rejects.toEqual(refused("bad_body"));
  });

  test.each<[string, string, Record<string, unknown>]>([
    ["that is missing", "is missing", { "webhook-id": undefined }],
    ["that is null", "is missing", { "webhook-id": null }],
    ["that is empty", "is empty", { "webhook-id": "" }],
    ["that comes twice", "is repeated", { "webhook-id": ["a", "b"] }],
    ["that comes twice, in two spellings", "is repeated", { "Webhook-Id": "a" }],
    ["that is a number", "is no text, but a number", { "webhook-id": 5 }],
    ["that is too long", "is longer than 4096 characters", { "webhook-id": "a".repeat(4_097) }],
  ])("a header %s", async (_what, words, over) => {
    const headers = { ...headersWith(), ...over } as WebhookToVerify["headers"];
    const call = verify({ headers, body: VECTOR.body }, [VECTOR.key], { now });
    await expect(call).rejects.toEqual(refused("malformed"));
    await expect(call).rejects.toThrow(`the header webhook-id ${words}`);
  });

  test.each([`${VECTOR.key}\n`, ` ${VECTOR.key}`, `${PUBLIC}\r\n`])("a key with a space: %j", async (key) => {
    await expect(check({}, [key])).rejects.toEqual(refused("bad_key"));
    await expect(check({}, [key])).rejects.toThrow("a key begins or ends with a space or a line break");
    await expect(sign(VECTOR, [key])).rejects.toThrow("a key begins or ends with a space or a line break");
  });

  test.each([
    ["now", { now: "soon" }],
    ["now", { now: Number.NaN }],
    ["now", { now: null }],
    ["now", { now: new Date(Number.NaN) }],
    ["now", { now: true }],
    ["toleranceMs", { toleranceMs: "long" }],
    ["toleranceMs", { toleranceMs: "300000" }],
    ["toleranceMs", { toleranceMs: [300_000] }],
  ])("an option that is no number: %s", async (name, options) => {
    const call = check({}, [VECTOR.key], options as unknown as VerifyOptions);
    await expect(call).rejects.toEqual(refused("bad_option"));
    await expect(call).rejects.toThrow(`${name} is no number of milliseconds`);
  });

  test.each<[string, unknown, string]>([
    [
      "a misspelt option",
      { toleranceMS: 5 },
      "no option is called toleranceMS: the options are toleranceMs, now",
    ],
    ["a number", 300_000, "the options are no object"],
    ["a list", [], "the options are no object"],
    ["a negative tolerance", { toleranceMs: -1 }, "toleranceMs is negative"],
  ])("options that would be ignored: %s", async (_what, options, words) => {
    const webhook = { headers: headersWith(), body: VECTOR.body };
    const call = verify(webhook, [VECTOR.key], options as VerifyOptions);
    await expect(call).rejects.toEqual(refused("bad_option"));
    await expect(call).rejects.toThrow(words);
  });

  test.each<[string, object]>([
    ["no id", { id: undefined }],
    ["an empty id", { id: "" }],
    ["an id with a full stop", { id: "msg.1" }],
    ["an id with a space", { id: "msg 1" }],
    ["an id with a line break", { id: "msg\n" }],
    ["an id with other letters", { id: "nächste" }],
    ["an id that is too long", { id: "a".repeat(256) }],
    ["no timestamp", { timestamp: undefined }],
    ["a timestamp that is no number", { timestamp: Number.NaN }],
    ["a timestamp with a fraction", { timestamp: 1.5 }],
    ["a timestamp in microseconds", { timestamp: VECTOR.timestamp * 1e6 }],
  ])("%s to sign", async (_what, over) => {
    const call = sign({ ...VECTOR, ...over }, [VECTOR.key]);
    await expect(call).rejects.toEqual(refused("bad_body"));
    await expect(call).rejects.toThrow("id" in over ? /^the id / : /^the timestamp is /);
  });

  test("a key that is no list of keys", async () => {
    await expect(check({}, VECTOR.key as unknown as string[])).rejects.toEqual(refused("bad_key"));
    await expect(sign(VECTOR, VECTOR.key as unknown as string[])).rejects.toEqual(refused("bad_key"));
  });
});

describe("what throws when it is read is refused with a SignatureError:", () => {
  const now = VECTOR.timestamp * 1000;
  const webhook = { headers: headersWith(), body: VECTOR.body };
  const keys = [VECTOR.key];
  const detached = (bytes: Uint8Array<ArrayBuffer>) => {
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    return bytes;
  };
  const breaks = () => {
    throw new TypeError("this is gone");
  };
  const withGetter = Object.defineProperty({ ...webhook }, "body", { get: breaks });
  const { proxy: revoked, revoke } = Proxy.revocable([], {});
  revoke();

  test.each<[string, string, unknown[]]>([
    ["a Headers whose `get` throws", "malformed", [{ ...webhook, headers: { get: breaks } }, keys]],
    ["headers that are gone", "malformed", [{ ...webhook, headers: revoked }, keys]],
    ["a detached view", "bad_body", [{ ...webhook, body: detached(new Uint8Array(8)) }, keys]],
    ["a detached buffer", "bad_body", [{ ...webhook, body: detached(new Uint8Array(8)).buffer }, keys]],
    ["a body whose getter throws", "bad_body", [withGetter, keys]],
    ["a list of keys with a hole", "bad_key", [webhook, Object.assign(new Array(2), { 1: VECTOR.key })]],
    ["a list of keys that is gone", "bad_key", [webhook, revoked]],
    ["a key without a text", "bad_key", [webhook, [Object.create(null)]]],
    ["a time that is a bigint", "bad_option", [webhook, keys, { now: 1n }]],
    ["a tolerance that is a symbol", "bad_option", [webhook, keys, { now, toleranceMs: Symbol("a") }]],
    ["options that are gone", "bad_option", [webhook, keys, revoked]],
  ])("%s", async (_what, code, args) => {
    const call = (verify as (...of: unknown[]) => Promise<unknown>)(args[0], args[1], args[2] ?? { now });
    await expect(call).rejects.toEqual(refused(code));
  });

  test("the error says what was thrown", async () => {
    const call = verify({ headers: { get: breaks }, body: VECTOR.body }, keys, { now });
    await expect(call).rejects.toMatchObject({ code: "malformed", cause: new TypeError("this is gone") });
  });

  test.each<[string, unknown]>([
    ["no webhook", undefined],
    ["an id that is a symbol", { ...VECTOR, id: Symbol("a") }],
    ["a timestamp without a text", { ...VECTOR, timestamp: Object.create(null) }],
    ["a detached body", { ...VECTOR, body: detached(new Uint8Array(8)) }],
  ])("%s to sign", async (_what, toSign) => {
    await expect(sign(toSign as typeof VECTOR, keys)).rejects.toEqual(refused("bad_body"));
  });
});

test.each([
  ["whpk_", PUBLIC],
  ["whsk_", SEED],
])("a %s key without its prefix is no secret: whoever knows it could sign", async (prefix, key) => {
  const bare = key.slice(prefix.length);
  const forged = await sign(VECTOR, [`whsec_${bare}`]);
  await expect(check({ "webhook-signature": forged }, [bare])).rejects.toEqual(refused("bad_key"));
  await expect(sign(VECTOR, [bare])).rejects.toEqual(refused("bad_key"));
});

describe("a Request", () => {
  const request = (body: string) =>
    new Request("https://yoursite.example/hook", {
      method: "POST",
      headers: headersWith() as Record<string, string>,
      body,
    });
  const options = { now: VECTOR.timestamp * 1000 };

  test("is verified, and its body's bytes are returned", async () => {
    const { id, body } = await verifyRequest(request(VECTOR.body), [VECTOR.key], options);
    expect(id).toBe(VECTOR.id);
    expect(new TextDecoder().decode(body)).toBe(VECTOR.body);
  });

  test("with another body is refused", async () => {
    await expect(verifyRequest(request("{}"), [VECTOR.key], options)).rejects.toEqual(refused("no_match"));
  });
});

describe("v1a", () => {
  test("needs only the public key to verify, and signs deterministically", async () => {
    const signature = await sign(VECTOR, [SEED]);
    expect(signature).toMatch(/^v1a,[A-Za-z0-9+/]{86}==$/);
    expect(await sign(VECTOR, [SEED])).toBe(signature);
    expect(await check({ "webhook-signature": signature }, [PUBLIC])).toMatchObject({ id: VECTOR.id });
    await expect(check({ "webhook-signature": signature }, [VECTOR.key])).rejects.toEqual(
      refused("no_match"),
    );
  });
});

describe("while a secret is being replaced", () => {
  test("both secrets sign, and a receiver with either accepts", async () => {
    const signature = await sign(VECTOR, [OTHER, VECTOR.key, SEED]);
    expect(signature.split(" ")).toHaveLength(3);
    for (const keys of [[OTHER], [VECTOR.key], [PUBLIC], [OTHER, PUBLIC]]) {
      expect(await check({ "webhook-signature": signature }, keys)).toMatchObject({ id: VECTOR.id });
    }
  });
});

describe("an invalid webhook or key is refused with a SignatureError", () => {
  test.each([
    ["another body", { body: `${VECTOR.body} ` }, {}, "no_match"],
    ["another id", {}, { "webhook-id": "msg_other" }, "no_match"],
    [
      "another time within the tolerance",
      {},
      { "webhook-timestamp": String(VECTOR.timestamp + 1) },
      "no_match",
    ],
    ["a truncated signature", {}, { "webhook-signature": VECTOR.signature.slice(0, -4) }, "malformed"],
    [
      "a signature with one bit changed",
      {},
      { "webhook-signature": VECTOR.signature.replace("g0", "g1") },
      "no_match",
    ],
    [
      "only an unknown version",
      {},
      { "webhook-signature": VECTOR.signature.replace("v1", "v2") },
      "malformed",
    ],
    ["no signature", {}, { "webhook-signature": undefined }, "malformed"],
    ["an empty id", {}, { "webhook-id": "" }, "malformed"],
    ["an overlong header", {}, { "webhook-signature": "v1,".padEnd(10_000, "A") }, "malformed"],
    ["a time that is not a whole number", {}, { "webhook-timestamp": "1e9" }, "malformed"],
    ["a negative time", {}, { "webhook-timestamp": "-5" }, "malformed"],
    ["commas and spaces", {}, { "webhook-signature": " ,, v1, ,v1 v1,= v1a,====" }, "malformed"],
  ])("%s", async (_title, options, headers, code) => {
    await expect(check(headers, [VECTOR.key], options)).rejects.toEqual(refused(code));
  });

  test("five minutes either way are accepted, and one second more is refused", async () => {
    const at = VECTOR.timestamp * 1000;
    for (const now of [at - 300_000, at + 300_000])
      expect(await check({}, [VECTOR.key], { now })).toBeDefined();
    for (const now of [at - 301_000, at + 301_000]) {
      await expect(check({}, [VECTOR.key], { now })).rejects.toEqual(refused("expired"));
    }
    expect(await check({}, [VECTOR.key], { now: at + 301_000, toleranceMs: 600_000 })).toBeDefined();
  });

  test.each(["", "whsec_", "whsec_c2hvcnQ=", "whsec_!!", "whpk_AAAA", `whsec_${"A".repeat(100)}`])(
    "an invalid key: %s",
    async (key) => {
      await expect(check({}, [key])).rejects.toEqual(refused("bad_key"));
      await expect(sign(VECTOR, [key])).rejects.toBeInstanceOf(SignatureError);
    },
  );

  test("no key at all", async () => {
    const none = new SignatureError("bad_key", "the list of keys is empty: pass at least one");
    await expect(check({}, [])).rejects.toEqual(none);
    await expect(sign(VECTOR, [])).rejects.toEqual(none);
  });
});
