import { fuzzing } from "@posthaste/testkit";
import fc from "fast-check";
import { expect, test } from "vitest";
import { hideSecrets, secretsToHide } from "./hide-secrets.ts";

/** Two letters only, so that parts of a text repeat, and secrets overlap. */
const letters = (minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom("a", "b"), minLength, maxLength });

test("every character of every secret is hidden, also where secrets overlap, and no other", () => {
  fc.assert(
    fc.property(
      letters(0, 40),
      fc.array(letters(1, 8), { maxLength: 4 }),
      fc.nat({ max: 40 }),
      (text, secrets, length) => {
        const end = Math.min(length, text.length);
        const shown = hideSecrets(text, secretsToHide(secrets), "*", end);
        expect(shown).toBe(marked(text, secrets).slice(0, end).replace(/\*+/g, "*"));
      },
    ),
    fuzzing(),
  );
});

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
