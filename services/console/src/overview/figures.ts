import { timestampMs } from "@bufbuild/protobuf/wkt";
import { DeliveryState } from "@posthaste/contracts/delivery";
import type {
  AccountBacklog,
  GetStatisticsResponse,
  StatisticsBucket,
} from "@posthaste/contracts/statistics";
import { stateName } from "../parts/delivery-status.ts";
import { durationMsOf, percent, whole } from "../parts/numbers.ts";
import { spelledMs } from "../parts/times.ts";
import { spelledLatency } from "./latency.ts";

/** A number of the overview, and what it counts. */
export type Figure = { readonly value: string; readonly about: string; readonly isBad?: boolean };

export const FIGURE_NAMES = ["Events", "Succeeded", "Success rate", "p95 latency", "Backlog"] as const;
export type Figures = Readonly<Record<(typeof FIGURE_NAMES)[number], Figure>>;

const { PENDING, STARTED, PARKED } = DeliveryState;
/** The success rate below which something is wrong at a receiver. */
const GOOD_SHARE = 0.9;
/** The API counts the deliveries of a state up to this number. */
const COUNTED_MAX = 10_000;

/** @param data undefined: not known, since it is loading or, if `hasFailed`, since the API did not answer */
export function figuresOf(data: GetStatisticsResponse | undefined, hasFailed: boolean, now: number): Figures {
  const { total, backlog } = data ?? {};
  const unknown: Figure = hasFailed ? { value: "–", about: "not known" } : { value: "…", about: "loading" };
  return {
    ...countsOf(total, unknown),
    Backlog: backlog === undefined ? unknown : backlogOf(backlog, now),
  };
}

function countsOf(total: StatisticsBucket | undefined, unknown: Figure): Omit<Figures, "Backlog"> {
  if (total === undefined) {
    return { Events: unknown, Succeeded: unknown, "Success rate": unknown, "p95 latency": unknown };
  }
  const { events, deliveries, succeeded, failed, attempts, accepted, p50, p95 } = total;
  const share = Number(accepted) / Number(attempts);
  const none: Figure = { value: "–", about: "no attempts" };
  return {
    Events: { value: whole(events), about: `with a subscriber; ${whole(deliveries)} deliveries created` },
    // Not a part of those created: a delivery may end in a later period than it begins.
    Succeeded: {
      value: whole(succeeded),
      about: `deliveries, whenever created; ${whole(failed)} failed for good`,
    },
    "Success rate":
      attempts === 0n
        ? none
        : { value: percent(share), about: `of ${whole(attempts)} attempts`, isBad: share < GOOD_SHARE },
    "p95 latency":
      p50 === undefined || p95 === undefined
        ? none
        : {
            value: spelledLatency(durationMsOf(p95)),
            about: `estimated; median ${spelledLatency(durationMsOf(p50))}`,
          },
  };
}

function backlogOf({ pending, started, parked, oldestPendingAt }: AccountBacklog, now: number): Figure {
  const counts = [pending, started, parked];
  const sum = counts.reduce((all, count) => all + count, 0);
  const since = oldestPendingAt === undefined ? now : timestampMs(oldestPendingAt);
  const waited = `for up to ${spelledMs(Math.max(0, now - since))}`;
  const parts = [
    ...(pending === 0 ? [] : [`${counted(pending, PENDING)}, ${waited}`]),
    ...(started === 0 ? [] : [counted(started, STARTED)]),
    ...(parked === 0 ? [] : [counted(parked, PARKED)]),
  ];
  return {
    value: counts.some((count) => count >= COUNTED_MAX) ? `${whole(sum)}+` : whole(sum),
    about: parts.length === 0 ? "nothing waits" : parts.join("; "),
  };
}

function counted(count: number, state: DeliveryState): string {
  const number = count >= COUNTED_MAX ? `${whole(COUNTED_MAX)}+` : whole(count);
  return `${number} ${stateName(state).toLowerCase()}`;
}
