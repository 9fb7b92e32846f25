import { expect, test } from "vitest";
import { hostOf, parseTargetUrl, withoutQuery } from "./target-url.ts";

test.each([
  ["https://yoursite.com/yourpage", "https://yoursite.com/yourpage"],
  ["HTTPS://YourSite.COM", "https://yoursite.com/"],
  ["http://yoursite.com:8080/a?b=c&d=%20", "http://yoursite.com:8080/a?b=c&d=%20"],
  ["https://münchen.example/ü", "https://xn--mnchen-3ya.example/%C3%BC"],
])("%s is normalised to %s", (text, url) => {
  expect(parseTargetUrl(text)).toBe(url);
});

test.each([
  ["", "invalid"],
  ["yoursite.com", "invalid"],
  ["//yoursite.com/", "invalid"],
  [" https://yoursite.com/", "invalid"],
  ["https://yoursite.com/a\nb", "invalid"],
  ["https://yoursite.com/\u0000", "invalid"],
  ["https://", "invalid"],
  [`https://yoursite.com/${"x".repeat(2_048)}`, "invalid"],
  [`https://yoursite.com/${"é".repeat(1_000)}`, "invalid"],
  ["ftp://yoursite.com/", "unprocessable_url"],
  ["file:///etc/passwd", "unprocessable_url"],
  ["javascript:alert(1)", "unprocessable_url"],
  ["https://user@yoursite.com/", "unprocessable_url"],
  ["https://:pw@yoursite.com/", "unprocessable_url"],
  ["https://yoursite.com/#top", "unprocessable_url"],
  ["https://yoursite.com/#", "unprocessable_url"],
])("%.40j is refused as %s", (text, code) => {
  expect(() => parseTargetUrl(text)).toThrow(expect.objectContaining({ code, field: "target_url" }));
});

test("a refusal never repeats a password", () => {
  expect(() => parseTargetUrl("https://me:hush@yoursite.com/")).not.toThrow(/hush/);
});

test("withoutQuery removes the query", () => {
  expect(withoutQuery("https://yoursite.com/a?key=hush")).toBe("https://yoursite.com/a");
  expect(withoutQuery("https://yoursite.com/a")).toBe("https://yoursite.com/a");
});

test("a host is the same with any port, case and dot at its end", () => {
  for (const url of ["https://A.Example/x", "http://a.example:81/", "https://a.example.:8443/?q"]) {
    expect(hostOf(url)).toBe("a.example");
  }
});

test.each([
  ["http://[::ffff:1.2.3.4]/", "1.2.3.4"],
  ["http://[::FFFF:102:304]:8080/x", "1.2.3.4"],
  ["http://[0:0:0:0:0:ffff:255.0.0.1]/", "255.0.0.1"],
  ["http://16909060/", "1.2.3.4"],
  // Other addresses with an IPv4 address in them are hosts of their own.
  ["http://[::ffff:0:1.2.3.4]/", "[::ffff:0:102:304]"],
  ["http://[64:ff9b::1.2.3.4]/", "[64:ff9b::102:304]"],
  ["http://[2001:db8::ffff:102:304]/", "[2001:db8::ffff:102:304]"],
])("the host of %s is %s", (url, host) => {
  expect(hostOf(url)).toBe(host);
});
