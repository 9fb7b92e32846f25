import { resolve } from "node:path";
import { EGRESS_SETTINGS } from "@posthaste/delivery/client";
import { httpUrl, integer, LOG_LEVELS, oneOf, parsed, text, urls } from "@posthaste/runtime";
import { STORE_SETTINGS } from "@posthaste/store";
import { CONSOLE_DIR } from "./console/console.ts";
import { LIMIT_SETTINGS } from "./http/limits.ts";

/** What the API reads from its environment. Temporal's own variables (`TEMPORAL_…`) are read by its SDK. */
export const API_SETTINGS = {
  ...STORE_SETTINGS,
  POSTHASTE_HOST: text("The address on which the API listens", "127.0.0.1"),
  POSTHASTE_PORT: integer(
    "The port for everything: Connect, gRPC, gRPC-Web, REST; 0 takes a free one",
    8080,
    {
      min: 0,
      max: 65_535,
    },
  ),
  POSTHASTE_METRICS_HOST: text(
    "The address on which the API's metrics are served, apart from its public port",
    "127.0.0.1",
  ),
  POSTHASTE_METRICS_PORT: integer("The port for `/metrics`; 0 takes a free one", 9464, {
    min: 0,
    max: 65_535,
  }),
  POSTHASTE_WORKER_URLS: urls(
    "Workers to nudge after an ingest, as `http://HOST:PORT`, separated by commas",
    [],
  ),
  POSTHASTE_TEMPORAL_UI_URL: parsed(
    "Temporal's UI, as `http://HOST:PORT`: deliveries then name their workflow's page to tokens with the scope `admin`",
    null,
    "none",
    httpUrl,
  ),
  POSTHASTE_CONSOLE_DIR: parsed(
    "The folder of the console's built files; where it holds none, `/` serves no console",
    CONSOLE_DIR,
    "services/console/dist",
    (path) => resolve(path),
  ),
  POSTHASTE_CONSOLE_FRAME_ANCESTORS: parsed(
    "Origins whose pages may show the console in a frame, as `https://HOST`, separated by commas",
    [],
    "none",
    origins,
  ),
  POSTHASTE_INBOX: oneOf(
    "Whether accounts may make inboxes: receivers at `/inbox/…` to try webhooks with, kept in this process's memory",
    "off",
    ["on", "off"],
  ),
  ...LIMIT_SETTINGS,
  POSTHASTE_DRAIN_MS: integer("How long a stop waits for requests in flight, in milliseconds", 15_000, {
    min: 0,
    max: 300_000,
  }),
  ...EGRESS_SETTINGS,
  POSTHASTE_LOG_LEVEL: oneOf("The lowest level that is logged", "info", LOG_LEVELS),
} as const;

/** @throws Error that says what was expected */
function origins(list: string): readonly string[] {
  return list.split(",").map((part) => {
    const { origin, href } = httpUrl(part.trim());
    if (href !== `${origin}/`) throw new Error("expected origins such as https://HOST, without a path");
    return origin;
  });
}
