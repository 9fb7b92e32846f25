import { RESPONSE_BODY_BYTES_MAX, RESPONSE_HEADERS_BYTES_MAX } from "@posthaste/egress";
import { describe, expect, test } from "vitest";
import { redact, shownHeaders } from "./redact.ts";
import type { HoldsSecrets } from "./secrets-of.ts";
import { TORN_ESCAPE_CHARS_MAX } from "./unescape-text.ts";

const answer = (body: string, header = "", responseTruncated = false) => ({
  responseHeaders: [["x-echo", header]] as [string, string][],
  responseBody: Buffer.from(body),
  responseTruncated,
});
const target = { targetUrl: "https://yoursite.com/hook", headers: {}, credential: null };
/** Returns the body that the log shows of an answer to a subscription. */
const shownTo = (subscription: Partial<HoldsSecrets>, body: string) =>
  Buffer.from(redact(answer(body), { ...target, ...subscription }).responseBody).toString();
/** Returns the same of a subscription with a credential. */
const shownBody = (body: string, credential: string, isTruncated = false) =>
  Buffer.from(redact(answer(body, "", isTruncated), { ...target, credential }).responseBody).toString();

/** Writes each character as `\uXXXX`. */
const allEscaped = (text: string, backslash = "\\") =>
  text.replaceAll(/./gs, (c) => `${backslash}u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Writes each character as a reference of HTML with as many zeros as encoders write. */
const inHtml = (text: string) =>
  text.replaceAll(/./g, (c) => `&#${String(c.charCodeAt(0)).padStart(7, "0")};`);

const inBase64 = (text: string) => Buffer.from(text).toString("base64");

test("a credential in a response is redacted, in plain text and as Basic", () => {
  const basic = Buffer.from("hüsh:1").toString("base64");
  const { responseHeaders, responseBody } = redact(
    answer(`{"authorization":"Basic ${basic}","was":"hüsh:1, hüsh:1"}`, `Basic ${basic}`),
    { ...target, credential: "hüsh:1" },
  );
  expect(Buffer.from(responseBody).toString()).toBe(
    '{"authorization":"Basic [redacted]","was":"[redacted], [redacted]"}',
  );
  expect(responseHeaders).toEqual([["x-echo", "Basic [redacted]"]]);
});

test("everything else stays unchanged, byte for byte", () => {
  const bytes = Buffer.from([0, 255, 10, 195, 40, 128]);
  const result = { responseHeaders: [] as [string, string][], responseBody: bytes, responseTruncated: false };
  expect(Buffer.from(redact(result, { ...target, credential: "hush" }).responseBody).equals(bytes)).toBe(
    true,
  );
  expect(redact(result, { ...target, headers: { "x-short": "1" } })).toBe(result);
  // A name that is no longer than what it stands for, and what is no name.
  for (const text of ["&nGt;&nLt;", "&toString;&__proto__;&;", `&${"a".repeat(40)};`]) {
    expect(shownBody(text, "hush")).toBe(text);
  }
});

test("a custom header's value in a response is redacted if it is long enough to be a secret", () => {
  const { responseBody } = redact(answer('{"x-api-key":"0123456789","n":1}'), {
    ...target,
    headers: { "x-api-key": "0123456789", "x-version": "1" },
  });
  expect(Buffer.from(responseBody).toString()).toBe('{"x-api-key":"[redacted]","n":1}');
});

test("the shown request headers hide the credential and the custom headers' values", () => {
  const sent = { "x-api-key": "0", authorization: "Basic x", "webhook-id": "evt_1", accept: "*/*" };
  expect(shownHeaders(sent, { headers: { "x-api-key": "0" } })).toEqual([
    ["x-api-key", "[redacted]"],
    ["authorization", "[redacted]"],
    ["webhook-id", "evt_1"],
    ["accept", "*/*"],
  ]);
});

test("what replaces a secret is not searched: it may contain another one", () => {
  const headers = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`x-${i}`, "redacted"]));
  const { responseBody, responseHeaders } = redact(answer("bab", "bab"), {
    ...target,
    credential: "a",
    headers,
  });
  expect(Buffer.from(responseBody).toString()).toBe("b[redacted]b");
  expect(responseHeaders).toEqual([["x-echo", "b[redacted]b"]]);
});

test("secrets that overlap are hidden as a whole", () => {
  const { responseBody } = redact(answer("<0123456789ab>"), {
    ...target,
    headers: { "x-a": "0123456789", "x-b": "456789ab" },
  });
  expect(Buffer.from(responseBody).toString()).toBe("<[redacted]>");
  expect(shownBody("<abaaba>", "aba")).toBe("<[redacted]>");
  expect(shownBody("<ababa>", "aba")).toBe("<[redacted]>");
});

test.each([
  ["JSON that escapes slashes", String.raw`ke\/y+<é>"&1`, 'ke/y+<é>"&1'],
  ["JSON in ASCII, safe in HTML", String.raw`ke/y\u002b\u003c\u00e9\u003e\"\u00261`, 'ke/y+<é>"&1'],
  ["JSON with characters beyond the first plane", String.raw`\ud83d\uDE00-\/-key`, "😀-/-key"],
  ["JSON in JSON", String.raw`ke\\\/y\\\"\\u00261`, 'ke/y"&1'],
  ["JSON of JSON that escapes all", allEscaped("-ctx0041u0041", "\\\\"), "-ctx0041u0041"],
  ["HTML of that", allEscaped("-ctx0041u0041", "&#92;&#92;"), "-ctx0041u0041"],
  ["JSON of a log that escapes all", allEscaped("\\x41\\u0041\t", "\\\\"), "\\x41\\u0041\t"],
  ["HTML", "ke/y&#43;&lt;&#x00e9;&gt;&quot;&amp;1", 'ke/y+<é>"&1'],
  ["XML, twice", "key&amp;amp;&amp;apos;1", "key&'1"],
  ["HTML 4 with the names of letters", "p&auml;ss&Uuml;w&eacute;rd&copy;&euro;", "pässÜwérd©€"],
  ["HTML 5 with the names of signs", "k&plus;&sol;&equals;&colon;&percnt;&lowbar;1", "k+/=:%_1"],
  ["HTML 5 with the names of several letters", "&fjlig;ord&nvlt;1", "fjord<\u20d21"],
  ["HTML with numbers that no semicolon ends", "ke&#47y&#x2bGET&#60&#XE9&gt;&#34", 'ke/y+GET<é>"'],
  ["JavaScript with code points in braces", String.raw`ke\u{2f}y\u{00003c}\u{1F600}\u{0022}1`, 'ke/y<😀"1'],
  ["a URL", "ke%2Fy%2b%3C%C3%A9%3E%22%261", 'ke/y+<é>"&1'],
  ["a form", "my+key%2F1", "my key/1"],
  ["another case", "KE/Y-aBc-%c3%a9", "ke/y-Abc-é"],
])("a secret is redacted in %s", (_as, echo, credential) => {
  expect(shownBody(`{"was":"${echo}","n":1}`, credential)).toBe('{"was":"[redacted]","n":1}');
});

test("Base64 is redacted also as it stands in URLs, and without its padding", () => {
  const credential = "??>>~~:12";
  const [base64, url] = [
    Buffer.from(credential).toString("base64"),
    Buffer.from(credential).toString("base64url"),
  ];
  expect(base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")).toBe(url);
  const echoes = [base64, url, encodeURIComponent(base64), base64.replaceAll("/", String.raw`\/`)];
  for (const echo of echoes) expect(shownBody(`<${echo}>`, credential)).toBe("<[redacted]>");
});

test("Base64 of a text that contains a secret is redacted, wherever the secret begins in it", () => {
  const subscription = {
    credential: "customer:??>>~~ÿÿ-12",
    headers: { authorization: "Bearer tok/en-12345" },
    targetUrl: "https://yoursite.com/hook?key=se~~cret??1",
  };
  const basic = Buffer.from("customer:??>>~~ÿÿ-12").toString("base64");
  for (const secret of ["??>>~~ÿÿ-12", "tok/en-12345", "se~~cret??1", basic]) {
    for (const before of ["", "<", "<<", "<<<", "<<<<"]) {
      for (const encoding of ["base64", "base64url"] as const) {
        const echo = Buffer.from(`${before}${secret}${before}`).toString(encoding);
        const shown = shownTo(subscription, `{"was":"${echo}"}`);
        const [, left = "", right = ""] = /^\{"was":"(.*)\[redacted\](.*)"\}$/.exec(shown) ?? [];
        // The characters at its ends hold bits of the neighbours as well.
        expect(Buffer.from(left, "base64").toString("latin1")).toMatch(/^<*.?$/);
        expect(`${left}${right}`.length).toBeLessThanOrEqual(Math.ceil((2 * before.length * 8) / 6) + 4);
        expect(shown).toContain("[redacted]");
      }
    }
  }
});

test("a secret that a receiver repeats as a header's name is redacted, though names have no upper case", () => {
  const basic = Buffer.from("customer:Pass-word-1").toString("base64url");
  const names = ["x-pass-word-1", basic.toLowerCase(), "tok-en-12345", "retry-after", "content-type"];
  const responseHeaders = names.map((name): [string, string] => [name, "1"]);
  const shown = redact(
    { ...answer(""), responseHeaders },
    { ...target, credential: "customer:Pass-word-1", headers: { "x-token": "Tok-EN-12345" } },
  );
  expect(shown.responseHeaders.map(([name]) => name)).toEqual([
    ...["[redacted]", "[redacted]", "[redacted]", "retry-after", "content-type"],
  ]);
});

test("parts that a receiver takes out of a secret are redacted if they are long enough", () => {
  const echo = "name customer, password pass:word-1, token tok/en-12345, v1 2024";
  const shown = "name [redacted], password [redacted], token [redacted], v1 2024";
  const basic = Buffer.from("customer:pass:word-1").toString("base64");
  expect(
    shownTo({ credential: "customer:pass:word-1", headers: { authorization: "Bearer tok/en-12345" } }, echo),
  ).toBe(shown);
  expect(shownTo({ headers: { "x-a": `basic ${basic}`, "x-b": "Key tok/en-12345" } }, echo)).toBe(shown);
  expect(shownTo({ credential: "v1:2024" }, echo)).toBe(echo);
});

test.each([
  ["a named value", "token=abcdef0123456789"],
  ["a key's name before it", "k1:abcdef0123456789"],
  ["Digest", 'Digest username="me", response="abcdef0123456789"'],
  ["AWS", "AWS4-HMAC-SHA256 Credential=AKIA/20260101, Signature=abcdef0123456789"],
  ["a list", "0123456789abcdef,abcdef0123456789"],
  ["parameters behind it", "Bearer abcdef0123456789;v=1"],
  ["JSON", '{"k":"abcdef0123456789"}'],
  ["cookies", "theme=dark; sid='abcdef0123456789'"],
])("a part of a header that looks like a key is redacted by itself: %s", (_as, value) => {
  const echo = "the key abcdef0123456789 is unknown";
  expect(shownTo({ headers: { "x-a": value } }, echo)).toBe("the key [redacted] is unknown");
});

test("words within a header, which are no keys, are shown", () => {
  const value = "environment=production-eu; type=application/json; version=2024-11-05, unauthenticated";
  const echo = "an unauthenticated call to production-eu, of 2024-11-05, in application/json";
  expect(shownTo({ headers: { "x-a": value } }, echo)).toBe(echo);
});

test("what the log leaves out of the URL is redacted, too, as in a redirect to nearly the same URL", () => {
  const location = "https://yoursite.com/hook/?v=1&key=se%2Fcret-1&12345678=&abcdefgh";
  const subscription = {
    ...target,
    targetUrl: "https://yoursite.com/hook?v=1&key=se%2fcret-1&12345678=&abcdefgh",
  };
  const { responseHeaders } = redact(answer("", location), subscription);
  expect(responseHeaders).toEqual([
    ["x-echo", "https://yoursite.com/hook/?v=1&key=[redacted]&[redacted]=&[redacted]"],
  ]);
  expect(shownTo(subscription, '{"key":"se/cret-1"}')).toBe('{"key":"[redacted]"}');
});

describe("an answer that repeats a short secret does not grow beyond what an answer may have:", () => {
  const echoes = "ab".repeat(RESPONSE_BODY_BYTES_MAX / 2);

  test("the body is cut, and the log says so", () => {
    const { responseBody, responseTruncated } = redact(answer(echoes), { ...target, credential: "a" });
    expect(Buffer.from(responseBody).toString()).toMatch(/^(\[redacted\]b)+/);
    expect(responseBody).toHaveLength(RESPONSE_BODY_BYTES_MAX);
    expect(responseTruncated).toBe(true);
  });

  test("the headers' values are cut", () => {
    const echo = "ab".repeat(75);
    const responseHeaders = Array.from({ length: 100 }, (_, i): [string, string] => [`x-${i}`, echo]);
    const shown = redact({ ...answer(""), responseHeaders }, { ...target, credential: "a" });
    expect(shown.responseHeaders.map(([name]) => name)).toEqual(responseHeaders.map(([name]) => name));
    expect(shown.responseHeaders[0]?.[1]).toBe("[redacted]b".repeat(75));
    const values = shown.responseHeaders.map(([, value]) => value).join("");
    expect(values).toHaveLength(RESPONSE_HEADERS_BYTES_MAX);
    expect(values).toMatch(/^(\[redacted\]b)+/);
    expect(shown.responseTruncated).toBe(false);
  });
});

describe("a body that was cut off", () => {
  const secret = "credential-canary";
  /** The longest spelling of the secret, and what may be left of an escape behind a part of it. */
  const length = inBase64(inBase64(secret)).length + TORN_ESCAPE_CHARS_MAX;
  const cutAt = (body: string) => body.slice(0, RESPONSE_BODY_BYTES_MAX);

  test.each([
    ["plain text", secret],
    ["Base64", Buffer.from(secret).toString("base64")],
    ["JSON", allEscaped(secret)],
    ["JSON in HTML", allEscaped(secret, "&#092;")],
  ])("shows no part of a credential that was cut in two, in %s", (_as, spelling) => {
    for (let kept = 1; kept <= spelling.length; kept++) {
      const body = cutAt(`${".".repeat(RESPONSE_BODY_BYTES_MAX - kept)}${spelling} and more`);
      const shown = shownBody(body, secret, true);
      expect(shown.replace("[redacted]", "")).toMatch(/^\.*$/);
    }
  });

  test("shows no part of a short credential, in HTML within HTML within HTML", () => {
    const spelling = inHtml(inHtml(inHtml("h")));
    for (let kept = 1; kept <= spelling.length; kept++) {
      const body = ".".repeat(RESPONSE_BODY_BYTES_MAX - kept) + spelling.slice(0, kept);
      expect(shownBody(body, "hush", true)).toMatch(/^\.*$/);
    }
  });

  test("ends at the same place whatever its last characters are, which would tell if a guess is right", () => {
    const ends = ["", "c", "cre", "d", "x"].map((end) =>
      shownBody(".".repeat(RESPONSE_BODY_BYTES_MAX - end.length) + end, secret, true),
    );
    expect(new Set(ends)).toEqual(new Set([".".repeat(RESPONSE_BODY_BYTES_MAX - length + 1)]));
  });

  test("shows a whole credential as redacted, also if it begins just before the part left out", () => {
    const before = RESPONSE_BODY_BYTES_MAX - length;
    const body = cutAt(`${".".repeat(before)}${secret}${".".repeat(100)}`);
    expect(shownBody(body, secret, true)).toBe(`${".".repeat(before)}[redacted]`);
  });

  test("may be shorter than the secret", () => {
    expect(shownBody("x".repeat(1_025), "y".repeat(1_500), true)).toBe("");
  });

  test("is shown to its end if the subscription has no secret", () => {
    const whole = answer("x".repeat(RESPONSE_BODY_BYTES_MAX), "", true);
    expect(redact(whole, { ...target, headers: { "x-version": "1" } })).toBe(whole);
  });
});
