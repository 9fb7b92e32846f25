import { Outcome } from "@posthaste/contracts/delivery";
import { describe, expect, test } from "vitest";
import { type HintedAttempt, hintFor } from "./hints.ts";

const OUTCOMES = Object.values(Outcome).filter((value) => typeof value === "number") as Outcome[];
const ANSWERED = [Outcome.ACCEPTED, Outcome.STATUS, Outcome.REDIRECT, Outcome.GONE];

function attempt(
  outcome: Outcome,
  given: Partial<Omit<HintedAttempt, "outcome" | "responseHeaders">> & {
    headers?: Record<string, string>;
    body?: string;
  } = {},
): HintedAttempt {
  const { headers = {}, body = "", ...fields } = given;
  return {
    ...{ outcome, status: 0, address: "203.0.113.7:443", detail: "" },
    ...fields,
    responseHeaders: Object.entries(headers).map(([name, value]) => ({
      ...{ name, value },
      $typeName: "posthaste.v1.Header" as const,
    })),
    responseBody: new TextEncoder().encode(body),
  };
}

const lastTextOf = (...args: Parameters<typeof attempt>) => hintFor(attempt(...args), true)?.text;
const textOf = (...args: Parameters<typeof attempt>) => hintFor(attempt(...args))?.text;
const HTML = { headers: { "content-type": "text/html; charset=utf-8" }, body: "\n<!DOCTYPE html><title>" };

test("every outcome with every status has a hint of one or two sentences, unless it went well", () => {
  for (const outcome of OUTCOMES) {
    const statuses = ANSWERED.includes(outcome) ? Array.from({ length: 900 }, (_, i) => i + 100) : [0];
    for (const status of statuses) {
      const hint = hintFor(attempt(outcome, { status }));
      if (outcome === Outcome.UNSPECIFIED || outcome === Outcome.ACCEPTED) {
        expect(hint).toBeUndefined();
        continue;
      }
      // A version such as 1.1 and a header's name have no blank behind their dots.
      expect(hint?.text.match(/[.!?](?= |$)/g)?.length, hint?.text).toBeLessThanOrEqual(2);
      expect(hint?.text).toMatch(/^[A-Z0-9`].*\.$/);
      expect(hint?.text).not.toMatch(/undefined|NaN/);
      expect(hint?.section).toBe(ANSWERED.includes(outcome) ? "answers" : "connections");
    }
  }
});

describe("an answer", () => {
  test.each([
    [201, /answered 201, but this subscription counts only 200.* accepted statuses to 200 to 299/],
    [202, /answered 202/],
    [204, /answered 204/],
    [400, /secret and its clock/],
    [401, /credential/],
    [403, /firewall/],
    [404, /nothing at this path/],
    [405, /sent with POST/],
    [408, /stopped waiting/],
    [413, /1 MiB/],
    [415, /application\/json/],
    [418, /answered 418/],
    [422, /schema/],
    [429, /rate or concurrent attempts/],
    [500, /its log/],
    [502, /usually comes from a proxy that got no valid response/],
    [503, /not available/],
    [504, /usually comes from a proxy that waited too long/],
    [507, /reports an error of its own/],
    [999, /answered 999/],
  ])("of %i says what to do", (status, words) => {
    expect(textOf(Outcome.STATUS, { status })).toMatch(words);
  });

  test.each([429, 503])("of %i with retry-after says that it is honoured", (status) => {
    const headers = { "retry-after": "120" };
    expect(textOf(Outcome.STATUS, { status, headers })).toMatch(/honoured .* up to 24 hours/);
  });

  test("that redirects names its location header, if it has one", () => {
    for (const status of [301, 302, 303, 307, 308]) {
      const headers = { location: "https://evil.example/?token=1" };
      expect(textOf(Outcome.REDIRECT, { status, headers })).toMatch(/never followed.* location header as/);
      expect(textOf(Outcome.REDIRECT, { status, headers })).not.toContain("evil");
      expect(textOf(Outcome.REDIRECT, { status })).toMatch(/names no location/);
    }
    expect(textOf(Outcome.REDIRECT, { status: 304 })).toMatch(/no answer to POST/);
  });

  test("of 410 says that it ends the subscription, unless the event was a test", () => {
    expect(textOf(Outcome.GONE, { status: 410 })).toMatch(/ends the subscription, unless .* test/);
  });

  test("that is a page of HTML may come from something in front of the receiver, also if it counts", () => {
    expect(textOf(Outcome.STATUS, { status: 500, ...HTML })).toMatch(
      /HTML page, which may come from a proxy/,
    );
    expect(textOf(Outcome.STATUS, { status: 502, ...HTML })).toMatch(/proxy/);
    expect(textOf(Outcome.ACCEPTED, { status: 200, ...HTML })).toMatch(/does not lead to the receiver/);
    // Frameworks call any text HTML.
    expect(textOf(Outcome.ACCEPTED, { status: 200, ...HTML, body: "ok" })).toBeUndefined();
    expect(textOf(Outcome.ACCEPTED, { status: 200, ...HTML, headers: {} })).toBeUndefined();
  });
});

describe("an attempt without an answer", () => {
  test("that timed out says after how long, and whether it was connected", () => {
    const detail = "no complete response within 15000 ms";
    expect(textOf(Outcome.TIMEOUT, { detail })).toMatch(/not complete its response within 15 s\. Store/);
    expect(textOf(Outcome.TIMEOUT, { detail: "ETIMEDOUT" })).toMatch(/not complete its response in time/);
    expect(textOf(Outcome.TIMEOUT, { detail, address: "" })).toMatch(
      /no connection .* within 15 s\. .*firewall/,
    );
    const byProxy = "the outbound proxy opened no tunnel within 1500 ms";
    expect(textOf(Outcome.TIMEOUT, { detail: byProxy })).toMatch(/sender's outbound proxy/);
  });

  test.each([
    [Outcome.REFUSED, "ECONNREFUSED", /is running, listens on the URL's port/],
    [Outcome.RESET, "ECONNRESET", /closed before the response was complete/],
    [Outcome.DNS, "ENOTFOUND", /was not found\. Check its spelling/],
    [Outcome.DNS, "ENODATA", /has no address/],
    [Outcome.DNS, "EAI_AGAIN", /gave no answer, which may pass/],
    [Outcome.UNREACHABLE, "EHOSTUNREACH", /No way in the network/],
    [Outcome.UNREACHABLE, "PROXY_403", /sender's outbound proxy/],
    [Outcome.INVALID_RESPONSE, "HPE_INVALID_CONSTANT", /not valid HTTP\/1\.1/],
    [Outcome.INVALID_RESPONSE, "UND_ERR_HEADERS_OVERFLOW", /at most 200 headers of 16 KiB/],
    [Outcome.BLOCKED, "port 25 is not allowed", /may not reach the URL's port/],
    [Outcome.BLOCKED, "the target's address is not on the public internet", /on the public internet, or ask/],
    [Outcome.TLS, "CERT_HAS_EXPIRED", /has expired/],
    [Outcome.TLS, "CERT_NOT_YET_VALID", /not valid yet/],
    [Outcome.TLS, "ERR_TLS_CERT_ALTNAME_INVALID", /for another host name/],
    [Outcome.TLS, "DEPTH_ZERO_SELF_SIGNED_CERT", /no public authority/],
    [Outcome.TLS, "SELF_SIGNED_CERT_IN_CHAIN", /no public authority/],
    [Outcome.TLS, "UNABLE_TO_VERIFY_LEAF_SIGNATURE", /intermediate certificates/],
    [Outcome.TLS, "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", /intermediate certificates/],
    [Outcome.TLS, "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", /wants a certificate of its client/],
    [Outcome.TLS, "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", /TLS 1\.2 or newer/],
    [Outcome.TLS, "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL", /HTTP\/1\.1/],
    [Outcome.TLS, "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE", /ended the TLS handshake with the alert/],
    [Outcome.TLS, "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", /ended the TLS handshake with the alert/],
    [Outcome.TLS, "ERR_SSL_WRONG_VERSION_NUMBER", /does not look like TLS/],
    [Outcome.TLS, "the receiver's TLS handshake … is longer than 16 KiB", /longer than the sender reads/],
    [Outcome.TLS, "ERR_SSL_SOMETHING_NEW", /with the code above/],
  ])("with outcome %i and %s says what to do", (outcome, detail, words) => {
    expect(textOf(outcome, { detail })).toMatch(words);
  });
});

test("the hint of an attempt that none follows speaks of no next one", () => {
  const retryAfter = { headers: { "retry-after": "60" } };
  expect(textOf(Outcome.STATUS, { status: 503 })).toMatch(/next attempt follows the schedule/);
  expect(textOf(Outcome.STATUS, { status: 429, ...retryAfter })).toMatch(/asked to wait/);
  expect(lastTextOf(Outcome.STATUS, { status: 503, ...retryAfter })).toMatch(
    /Send the event again once it is/,
  );
  for (const outcome of OUTCOMES) {
    for (let status = 100; status < 600; status++) {
      expect(lastTextOf(outcome, { status, ...retryAfter }) ?? "").not.toMatch(/next attempt|asked to wait/);
    }
  }
});
