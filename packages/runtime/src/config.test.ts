import { expect, test } from "vitest";
import { ConfigError, integer, oneOf, readConfig, text, urls } from "./config.ts";

const settings = {
  DATABASE_URL: text("the database", undefined, /^(mysql|sqlite):/, "mysql://… or sqlite:PATH"),
  PORT: integer("the port", 8080, { min: 0, max: 65_535 }),
  LEVEL: oneOf("the level", "info", ["info", "warn"]),
  WORKERS: urls("the workers", []),
};

test("settings are read, and an unset or empty variable gets the default", () => {
  expect(
    readConfig(settings, { DATABASE_URL: "sqlite:x.db", PORT: "", WORKERS: "http://a:1, http://b:2" }),
  ).toEqual({
    DATABASE_URL: "sqlite:x.db",
    PORT: 8080,
    LEVEL: "info",
    WORKERS: ["http://a:1", "http://b:2"],
  });
});

test("the error lists every problem and contains no value", () => {
  const env = { DATABASE_URL: "postgres://me:hush@db", PORT: "70000", LEVEL: "loud", WORKERS: "ftp://hush" };
  let caught: unknown;
  try {
    readConfig(settings, env);
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(ConfigError);
  const { problems, message } = caught as ConfigError;
  expect(problems.map((problem) => problem.split(":")[0])).toEqual([
    "DATABASE_URL",
    "PORT",
    "LEVEL",
    "WORKERS",
  ]);
  expect(message).not.toMatch(/hush|70000|loud/);
});

test.each([
  "http://me:hush@a:1",
  "http://hush@a:1",
  "http://a:1/hush",
  "http://a:1?hush",
  "http://a:1,http://b#hush",
])("%s is no address of a worker, and the error does not repeat it", (value) => {
  const read = () => readConfig(settings, { DATABASE_URL: "sqlite:x.db", WORKERS: value });
  expect(read).toThrow(
    "WORKERS: expected origins such as http://HOST:PORT, without a user, a password or a path",
  );
  expect(read).not.toThrow("hush");
});

test("* is no list of origins, and the error says why", () => {
  const read = () => readConfig(settings, { DATABASE_URL: "sqlite:x.db", WORKERS: "http://a:1, *" });
  expect(read).toThrow("WORKERS: * is not possible, since it would trust every site: list each");
});

test("the error for a missing required setting describes the setting", () => {
  expect(() => readConfig(settings, {})).toThrow("DATABASE_URL is not set: the database");
});
