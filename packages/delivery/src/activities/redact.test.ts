import { expect, test } from "vitest";
import { redact, shownHeaders } from "./redact.ts";

const answer = (body: string, header = "") => ({
  responseHeaders: [["x-echo", header]] as [string, string][],
  responseBody: Buffer.from(body),
});

test("a credential in a response is redacted, in plain text and as Basic", () => {
  const basic = Buffer.from("hüsh:1").toString("base64");
  const { responseHeaders, responseBody } = redact(
    answer(`{"authorization":"Basic ${basic}","was":"hüsh:1, hüsh:1"}`, `Basic ${basic}`),
    { credential: "hüsh:1", headers: {} },
  );
  expect(Buffer.from(responseBody).toString()).toBe(
    '{"authorization":"Basic [redacted]","was":"[redacted], [redacted]"}',
  );
  expect(responseHeaders).toEqual([["x-echo", "Basic [redacted]"]]);
});

test("everything else stays unchanged, byte for byte", () => {
  const bytes = Buffer.from([0, 255, 10, 195, 40, 128]);
  const result = { responseHeaders: [] as [string, string][], responseBody: bytes };
  expect(Buffer.from(redact(result, { credential: "hush", headers: {} }).responseBody).equals(bytes)).toBe(
    true,
  );
  expect(redact(result, { credential: null, headers: { "x-short": "1" } })).toBe(result);
});

test("a custom header's value in a response is redacted if it is long enough to be a secret", () => {
  const { responseBody } = redact(answer('{"x-api-key":"0123456789","n":1}'), {
    credential: null,
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
