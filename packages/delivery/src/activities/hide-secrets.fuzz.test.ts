import { fuzzing } from "@posthaste/testkit";
import { characterEntities } from "character-entities";
import fc from "fast-check";
import { expect, test } from "vitest";
import { hideSecrets, secretsToHide } from "./hide-secrets.ts";
import { secretsOf } from "./secrets-of.ts";
import { TORN_ESCAPE_CHARS_MAX } from "./unescape-text.ts";

/** Two letters only, so that parts of a text repeat, and secrets overlap. */
const letters = (minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom("a", "b"), minLength, maxLength });

test("every character of every secret is hidden, also where secrets overlap, and no other", () => {
  fc.assert(
    fc.property(
      letters(0, 40),
      fc.array(letters(1, 8), { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      (text, secrets, isCutOff) => {
        const shown = hideSecrets(text, secretsToHide(secrets), "*", isCutOff);
        const torn = Math.max(...secrets.map(({ length }) => length)) - 1 + TORN_ESCAPE_CHARS_MAX;
        const end = isCutOff ? Math.max(0, text.length - torn) : text.length;
        expect(shown).toBe(marked(text, secrets).slice(0, end).replace(/\*+/g, "*"));
      },
    ),
    fuzzing(),
  );
});

/** How a receiver may write what it was sent. */
const ENCODINGS: Readonly<Record<string, (text: string) => string>> = {
  json: (text) => JSON.stringify(text).slice(1, -1),
  jsonOfPhp: (text) =>
    escaped(text, /[^ -~]|["\\/]/g, (unit) => (unit > 0x7e ? hex(unit) : `\\${char(unit)}`)),
  jsonOfAll: (text) => escaped(text, /./gs, hex),
  jsonInHtml: (text) => escaped(JSON.stringify(text).slice(1, -1), /[^ -~]|[<>&'+]/g, hex),
  html: (text) => escaped(text, /[<>&"'+]/g, (unit) => XML_NAMES[char(unit)] ?? `&#${unit};`),
  htmlByName: (text) => text.replaceAll(/\W/gu, (c) => (NAMES.has(c) ? `&${NAMES.get(c)};` : c)),
  htmlInHex: (text) => text.replaceAll(/[^\w ]/gu, (c) => `&#x${c.codePointAt(0)?.toString(16)};`),
  // A digit or a semicolon behind the number, which may be escaped, would belong to it.
  htmlWithoutSemicolons: (text) =>
    text.replaceAll(/[<>&"'+](?![\d;\\%&])/g, (c) => `&#${c.charCodeAt(0)}`).replaceAll(/&(?!#\d)/g, "&#38;"),
  jsInBraces: (text) => text.replaceAll(/[^\w ]/gu, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`),
  url: encodeURIComponent,
  form: (text) => new URLSearchParams({ "": text }).toString().slice(1),
  log: (text) => escaped(text, /["\\]/g, (unit) => `\\x${unit.toString(16)}`),
};
const XML_NAMES: Readonly<Record<string, string>> = { "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;" };
const NAMES = new Map(Object.entries(characterEntities).map(([name, chars]) => [chars, name]));
const char = (unit: number) => String.fromCharCode(unit);
const hex = (unit: number) => `\\u${unit.toString(16).padStart(4, "0")}`;
const escaped = (text: string, which: RegExp, as: (unit: number) => string) =>
  text.replaceAll(which, (c) => as(c.charCodeAt(0)));

/** Characters that some encoding writes in another way, or that escapes consist of. */
const hard = fc.constantFrom(..."\\%&;#/+-_=<>\"' xutn0125abFé€😀:");
const encodings = fc.array(fc.constantFrom(...Object.keys(ENCODINGS)), { maxLength: 3 });

test("no secret and no part of it is shown, in whichever encodings a receiver repeats it", () => {
  // It begins and ends with a letter: what an escape means at the edge depends on what stands beside it.
  const secret = (unit: fc.Arbitrary<string>) =>
    fc.string({ unit, minLength: 6, maxLength: 30 }).map((text) => `S${text}Z`);
  const ascii = hard.filter((c) => c <= "~");
  // A colon would end it.
  const inName = hard.filter((c) => c !== ":");
  fc.assert(
    fc.property(secret(inName), secret(hard), secret(ascii), encodings, (name, password, token, path) => {
      const credential = `${name}:${password}`;
      const headers = { authorization: `Bearer ${token}` };
      const wholes = [credential, name, password, headers.authorization, token];
      const base64 = wholes.flatMap((whole) => {
        const bytes = Buffer.from(whole);
        return [bytes.toString("base64"), bytes.toString("base64url")];
      });
      const secrets = secretsToHide(secretsOf({ credential, headers, targetUrl: "https://a.example" }));
      for (const sent of [...wholes, ...base64]) {
        const echo = path.reduce((text, encoding) => ENCODINGS[encoding]?.(text) ?? text, sent);
        const shown = hideSecrets(latin1(`{"echo": "${echo}", "n": 1}`), secrets, "*");
        expect(shown).toBe('{"echo": "*", "n": 1}');
      }
    }),
    fuzzing(),
  );
});

test("a text without secrets stays as it is, whatever escapes it contains", () => {
  const text = fc.oneof(fc.string({ unit: hard, maxLength: 60 }), fc.string({ unit: "binary" })).map(latin1);
  fc.assert(
    fc.property(text, fc.constantFrom("Q-canary", "\\u0051&amp;Q", "Q%51Q%51Q"), (body, secret) => {
      fc.pre(!/q/i.test(body));
      // None of the characters that escapes consist of can spell a Q in either case.
      fc.pre(!/51|71|81|113/.test(body));
      expect(hideSecrets(body, secretsToHide([secret]), "*")).toBe(body);
    }),
    fuzzing(),
  );
});

function latin1(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** Replaces each character of a secret with an asterisk, in the simplest way. */
function marked(text: string, secrets: readonly string[]): string {
  const characters = [...text];
  for (const secret of secrets) {
    for (let at = text.indexOf(secret); at !== -1; at = text.indexOf(secret, at + 1)) {
      characters.fill("*", at, at + secret.length);
    }
  }
  return characters.join("");
}
