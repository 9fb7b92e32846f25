import { fuzzing } from "@posthaste/testkit";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readMysqlUrl } from "./mysql-url.ts";

const SECRET = "hush";
/** Anything that somebody may have put into a URL, with the secret in it. */
const part = fc
  .oneof(fc.string(), fc.constantFrom("/", "?", "#", "@", ":", "&", "=", "%zz", "[::1]", "%0A"))
  .map((text) => `${text}${SECRET}${text}`);
/** After the login, `?` and `&` begin a parameter, and names of parameters are repeated. */
const afterLogin = part.map((text) => text.replace(/[?&]/g, ""));
const parameter = fc.tuple(
  fc.oneof(
    fc.constantFrom("ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "socketPath", "sslmode"),
    fc.string(),
  ),
  fc.oneof(fc.constantFrom("REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY", "DISABLED", ""), afterLogin),
);
const url = fc
  .record({ user: part, password: part, host: fc.oneof(part, fc.constant("db")), name: afterLogin })
  .chain((login) => fc.tuple(fc.constant(login), fc.array(parameter, { maxLength: 4 })))
  .map(([{ user, password, host, name }, parameters]) => {
    const query = parameters.map(([key, value]) => `${key}=${value}`).join("&");
    return `mysql://${user}:${password}@${host}/${name}?${query}`;
  });

test("a URL of any form is read or refused by a sentence, which repeats nothing secret", () => {
  fc.assert(
    fc.property(url, (text) => {
      let refusal = "";
      try {
        readMysqlUrl(text);
      } catch (error) {
        refusal = (error as Error).message;
      }
      expect(refusal).toMatch(/^$|^expected mysql:|^(a )?parameter |^ssl-|^socketPath needs/);
      expect(refusal).not.toContain(SECRET);
    }),
    fuzzing(),
  );
});
