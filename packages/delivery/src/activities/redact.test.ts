import { expect, test } from "vitest";
import { redact } from "./redact.ts";

const answer = (body: string, header = "") => ({
  responseHeaders: [["x-echo", header]] as [string, string][],
  responseBody: Buffer.from(body),
});

test("a credential that the receiver shows is taken out, plain and as Basic", () => {
  const basic = Buffer.from("hüsh:1").toString("base64");
  const { responseHeaders, responseBody } = redact(
    answer(`{"authorization":"Basic ${basic}","was":"hüsh:1, hüsh:1"}`, `Basic ${basic}`),
    "hüsh:1",
  );
  expect(Buffer.from(responseBody).toString()).toBe(
    '{"authorization":"Basic [redacted]","was":"[redacted], [redacted]"}',
  );
  expect(responseHeaders).toEqual([["x-echo", "Basic [redacted]"]]);
});

test("everything else is left as it is, byte for byte", () => {
  const bytes = Buffer.from([0, 255, 10, 195, 40, 128]);
  const result = { responseHeaders: [] as [string, string][], responseBody: bytes };
  expect(Buffer.from(redact(result, "hush").responseBody).equals(bytes)).toBe(true);
  expect(redact(result, null)).toBe(result);
});
