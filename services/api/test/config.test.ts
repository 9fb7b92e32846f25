import { readConfig } from "@posthaste/runtime";
import { expect, test } from "vitest";
import { API_SETTINGS } from "../src/config.ts";

const DATABASE = { DATABASE_URL: "sqlite:x.db" };

test.each([
  ["POSTHASTE_WORKER_URLS", "without a user, a password or a path"],
  ["POSTHASTE_CORS_ORIGINS", "without a user, a password or a path"],
  ["POSTHASTE_CONSOLE_FRAME_ANCESTORS", "without a user, a password or a path"],
  ["POSTHASTE_TEMPORAL_UI_URL", "without a user and a password"],
])("%s with credentials is refused without repeating them", (name, why) => {
  const read = () => readConfig(API_SETTINGS, { ...DATABASE, [name]: "http://me:hush@127.0.0.1:1" });
  expect(read).toThrow(why);
  expect(read).not.toThrow("hush");
});
