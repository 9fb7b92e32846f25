import { type Attack, keepDoing, send } from "../strike.ts";

/** 200 guesses a second. */
const EVERY_MS = 5;
const AT_ONCE_MAX = 50;

type Route = readonly [method: string, path: string];

const ROUTES: readonly [Route, ...Route[]] = [
  ["POST", "/posthaste.v1.EventIngestService/IngestEvent"],
  ["POST", "/posthaste.v1.DeliveryService/WatchDeliveries"],
  ["POST", "/api/Webhook"],
  ["GET", "/api/Webhook"],
  ["DELETE", "/api/Webhook/1"],
];

/** Guesses tokens, each of which has to be looked up. */
export const badTokens: Attack = async (strike) => {
  const { random } = strike;
  await keepDoing(strike, { everyMs: EVERY_MS, atOnceMax: AT_ONCE_MAX }, async () => {
    const [method, path] = random.pick(ROUTES);
    const token = `pht_${String(random.between(0, 2 ** 30)).padStart(43, "a")}`;
    await send(strike, { method, path, token, ...(method === "POST" ? { body: "{}" } : {}) });
  });
};
