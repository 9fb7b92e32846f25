import { fuzzing } from "@posthaste/testkit";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseCustomHeaders } from "./custom-headers.ts";
import { Refusal } from "./refusal.ts";

test("any input is either refused or gives headers that can be sent", () => {
  const name = fc.oneof(
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.string({ unit: fc.constantFrom(..."xX-_ab:\r\n "), minLength: 1, maxLength: 8 }),
    fc.constantFrom("Host", "WEBHOOK-ID", "Proxy-X", "content-Length", "x-a", "X-A", "__proto__"),
  );
  const value = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.constantFrom("a\r\nb: c", " ", "\t", "v"),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 6 }), (pairs) => {
      let headers: Record<string, string>;
      try {
        headers = parseCustomHeaders(Object.fromEntries(pairs));
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal);
        return;
      }
      // The Fetch API's own check of header names and values.
      const sendable = new Headers(headers);
      for (const [key, text] of Object.entries(headers)) {
        expect(key).toBe(key.toLowerCase());
        expect(sendable.get(key)).toBe(text);
        expect(key).not.toMatch(
          /^(host|content-(type|length|encoding)|transfer-encoding|connection|webhook-.*|proxy-.*)$/,
        );
        expect(text).not.toMatch(/[\r\n\0]/);
      }
    }),
    fuzzing(),
  );
});
