import { resolve } from "node:path";
import { EGRESS_SETTINGS } from "@posthaste/delivery/client";
import { httpUrl, integer, LOG_LEVELS, oneOf, origins, parsed, text, urls } from "@posthaste/runtime";
import { STORE_SETTINGS } from "@posthaste/store";
import { BRAND_SETTINGS } from "./console/brand-settings.ts";
import { CONSOLE_DIR } from "./console/console.ts";
import { LIMIT_SETTINGS } from "./http/limits.ts";

/** The API's settings. The Temporal SDK reads its own variables (`TEMPORAL_…`). */
export const API_SETTINGS = {
  ...STORE_SETTINGS,
  POSTHASTE_HOST: text("The address the API listens on", "127.0.0.1"),
  POSTHASTE_PORT: integer("The port for Connect, gRPC, gRPC-Web and REST; 0 picks a free port", 8080, {
    min: 0,
    max: 65_535,
  }),
  POSTHASTE_METRICS_HOST: text(
    "The address of the API's metrics and health checks for operators, separate from its public port",
    "127.0.0.1",
  ),
  POSTHASTE_METRICS_PORT: integer(
    "The port of `/metrics`, `/healthz` and `/readyz` for operators; 0 picks a free port",
    9464,
    {
      min: 0,
      max: 65_535,
    },
  ),
  POSTHASTE_WORKER_URLS: urls("Workers to nudge after an ingest, as `http://HOST:PORT`, comma-separated", []),
  POSTHASTE_TEMPORAL_UI_URL: parsed(
    "The Temporal UI, as `http://HOST:PORT`; deliveries then link to their workflow's page for tokens with the scope `admin`",
    null,
    "none",
    shownUrl,
  ),
  POSTHASTE_CONSOLE_DIR: parsed(
    "The folder of the console's built files; if it holds none, no console is served",
    CONSOLE_DIR,
    "services/console/dist",
    (path) => resolve(path),
  ),
  POSTHASTE_CONSOLE_FRAME_ANCESTORS: parsed(
    "Origins whose pages may embed the console in a frame, as `https://HOST`, comma-separated",
    [],
    "none",
    origins,
  ),
  ...BRAND_SETTINGS,
  POSTHASTE_CORS_ORIGINS: parsed(
    "Origins whose pages may call the API from a browser (CORS), as `https://HOST`, comma-separated. They send a token of their own",
    [],
    "none",
    origins,
  ),
  POSTHASTE_INBOX: oneOf(
    "Whether accounts may create inboxes: test receivers at `/inbox/…`, kept in this process's memory",
    "off",
    ["on", "off"],
  ),
  ...LIMIT_SETTINGS,
  POSTHASTE_DRAIN_MS: integer("How long a shutdown waits for requests in flight, in milliseconds", 15_000, {
    min: 0,
    max: 300_000,
  }),
  ...EGRESS_SETTINGS,
  POSTHASTE_LOG_LEVEL: oneOf("The lowest level to log", "info", LOG_LEVELS),
} as const;

/** @throws Error stating the expected form */
function shownUrl(text: string): URL {
  const url = httpUrl(text);
  if (url.username === "" && url.password === "") return url;
  throw new Error("expected an address without a user and a password, since callers see it");
}
