import { readConfig } from "@posthaste/runtime";
import { expect, test } from "vitest";
import { STORE_SETTINGS } from "./settings.ts";

const { DATABASE_URL } = STORE_SETTINGS;

const MALFORMED = [
  "mysql://me:secret@host:99999/name",
  "mysql://me:secret%zz@host/name",
  "mysql://me:secret@host",
  "mysql://secret",
  "mysql://me:123/hun?secret@host/name",
  "mysql://me:123/hun#secret@host/name",
  "sqlite:",
  "secret",
];

test.each(["postgres://me:secret@host/name", ...MALFORMED])(
  "the database URL %s is refused without quoting it",
  (url) => {
    expect(() => readConfig({ DATABASE_URL }, { DATABASE_URL: url })).toThrow(
      /^the configuration has a problem:\n {2}DATABASE_URL: expected mysql:.* or sqlite:PATH(; percent-encode .*)?$/,
    );
  },
);

test.each(["p@w#x", "100%zz", "a/b", "a?b"])(
  "a password with %s that is not percent-encoded is refused with what to do",
  (password) => {
    const env = { DATABASE_URL: `mysql://me:${password}@host/name` };
    expect(() => readConfig({ DATABASE_URL }, env)).toThrow(/; percent-encode .* %40 for @ and %23 for #$/);
  },
);

test.each(["x=50%", "sslmode=require", "ssl=true"])(
  "the database URL with ?%s is refused, since it means nothing here",
  (query) => {
    const env = { DATABASE_URL: `mysql://me:secret@host/name?${query}` };
    expect(() => readConfig({ DATABASE_URL }, env)).toThrow(
      /^the configuration has a problem:\n {2}DATABASE_URL: parameter \w+ is unknown: the URL takes ssl-mode, /,
    );
  },
);

test.each([
  "mysql://me:a%25b@[::1]:3306/name",
  "mysql://me:secret@host/name?ssl-mode=VERIFY_CA&ssl-ca=/etc/ca.pem",
  "mysql:///name?socketPath=/run/s",
  "sqlite:file.db",
  "sqlite::memory:",
])("the database URL %s is taken", (url) => {
  expect(readConfig({ DATABASE_URL }, { DATABASE_URL: url })).toEqual({ DATABASE_URL: url });
});
