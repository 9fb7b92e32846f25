import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { curlOf } from "../src/delivery/curl.ts";

const URL = "https://receiver.example/hook";
const header = (name: string, value: string) => ({
  ...{ name, value },
  $typeName: "posthaste.v1.Header" as const,
});

/** Returns the arguments that a shell gives to curl, which is replaced by a function that prints them. */
function argumentsOf(command: string): string[] {
  const script = `curl() { printf '%s\\0' "$@"; }\n${command}\n`;
  return execFileSync("sh", ["-c", script], { encoding: "utf8" }).split("\0").slice(0, -1);
}

const argsFor = (body: string, headers: readonly (readonly [string, string])[] = [], targetUrl = URL) => {
  const requestHeaders = headers.map(([name, value]) => header(name, value));
  return argumentsOf(curlOf({ targetUrl, requestHeaders }, body).command);
};

test("the command has the method, the URL, the headers and the body, one in a line", () => {
  const requestHeaders = [header("content-type", "application/json"), header("webhook-id", "evt_1")];
  expect(curlOf({ targetUrl: URL, requestHeaders }, '[{"a":1}]')).toEqual({
    command: [
      "curl -X POST 'https://receiver.example/hook' \\",
      "  -H 'content-type: application/json' \\",
      "  -H 'webhook-id: evt_1' \\",
      `  --data-raw '[{"a":1}]'`,
    ].join("\n"),
    leftOut: [],
  });
});

test("headers whose values are not stored are left out and named", () => {
  const requestHeaders = [
    header("x-key", "[redacted]"),
    header("accept", "*/*"),
    header("authorization", "[redacted]"),
  ];
  const { command, leftOut } = curlOf({ targetUrl: URL, requestHeaders }, "[]");
  expect(leftOut).toEqual(["x-key", "authorization"]);
  expect(argumentsOf(command)).toEqual(["-X", "POST", URL, "-H", "accept: */*", "--data-raw", "[]"]);
});

test("an empty header is sent as one, and brackets in a URL are literal", () => {
  expect(argsFor("[]", [["x-empty", ""]])).toContain("x-empty;");
  expect(argsFor("[]", [], "https://[2001:db8::1]/{a}")).toContain("--globoff");
  expect(argsFor("[]")).not.toContain("--globoff");
});

describe("a shell hands on as it was", () => {
  test.each([
    ["single quotes", `'it''s' '`],
    ["double quotes", '"a" "'],
    ["newlines", "a\n\nb\r\n"],
    ["dollars and backticks", "$HOME $(date) `date` $"],
    ["backslashes", String.raw`\ \\ \n \' \" \u00e9 trailing\ `.trimEnd()],
    ["an exclamation mark and a hash", "!! #comment"],
    ["what looks like an option or a file", "@/etc/passwd --next -H x"],
    ["other scripts", "Zoë 🚀 \u202e"],
    ["nothing", ""],
  ])("%s", (_what, text) => {
    expect(argsFor(text).at(-1)).toBe(text);
    expect(argsFor("[]", [["x-a", `b${text}`]])).toContain(`x-a: b${text}`);
    expect(argsFor("[]", [], `${URL}${text}`)).toContain(`${URL}${text}`);
  });

  test("any text without NUL, which no argument can hold", () => {
    // Characters that mean something to a shell, half of the time.
    const unit = fc.oneof(
      fc.constantFrom(..."'\"\\$`!#&;*~<>(){}[]@- \n\r\t"),
      fc.string({ unit: "binary", maxLength: 1 }),
    );
    const text = fc.string({ unit }).map((units) => units.replaceAll("\0", ""));
    const texts = fc.array(text, { maxLength: 40 });
    fc.assert(
      fc.property(texts, (parts) => {
        // One shell for many texts: each starts a process.
        const headers = parts.map((text) => ["x-a", `b${text}`] as const);
        const args = argsFor(parts.join(" "), headers).filter((arg) => arg !== "-H");
        expect(args.slice(3, -2)).toEqual(parts.map((text) => `x-a: b${text}`));
        expect(args.at(-1)).toBe(parts.join(" "));
      }),
      { numRuns: 20 },
    );
  });
});

/**
 * Returns the word as fish reads it: within single quotes, it takes `\\` and `\'` for escapes, unlike other
 * shells (https://fishshell.com/docs/current/language.html#quotes).
 */
function wordInFish(word: string): string {
  let isQuoted = false;
  let out = "";
  for (let i = 0; i < word.length; i += 1) {
    const [char = "", next = ""] = [word[i], word[i + 1]];
    if (char === "\\" && (!isQuoted || next === "\\" || next === "'")) {
      out += next;
      i += 1;
    } else if (char === "'") isQuoted = !isQuoted;
    else out += char;
  }
  return isQuoted ? `${out} (unfinished)` : out;
}

test("fish hands on any text as it was, too", () => {
  const unit = fc.constantFrom(..."'\\\"n$ {");
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 12 }), (text) => {
      const { command } = curlOf({ targetUrl: URL, requestHeaders: [] }, text);
      expect(wordInFish(command.slice(command.indexOf("--data-raw ") + "--data-raw ".length))).toBe(text);
    }),
  );
});
