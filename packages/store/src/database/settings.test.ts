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
      /^the configuration has a problem:\n {2}DATABASE_URL: expected mysql:.* or sqlite:PATH$/,
    );
  },
);

test.each([
  "mysql://me:secret@host/name?x=50%",
  "mysql://me:a%25b@[::1]:3306/name",
  "mysql:///name?user=me&socketPath=/run/s",
  "sqlite:file.db",
  "sqlite::memory:",
])("the database URL %s is taken", (url) => {
  expect(readConfig({ DATABASE_URL }, { DATABASE_URL: url })).toEqual({ DATABASE_URL: url });
});
