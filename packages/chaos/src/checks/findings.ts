import { acceptedEvents } from "./accepted-events.ts";
import {
  answersWereGiven,
  attemptsAreNumbered,
  countDuplicates,
  fewAreRepeated,
  noneIsEarly,
  nothingIsUnrequested,
  requestsAreRight,
} from "./attempts.ts";
import { changesFitRows } from "./change-log.ts";
import { cancelledAreRecovered, deliveriesArrived, nothingIsOpen } from "./deliveries.ts";
import { erasedIsGone } from "./erased-accounts.ts";
import type { Check, Facts } from "./facts.ts";
import { retriesKeepTime } from "./retry-times.ts";
import { statisticsFitLogs } from "./statistics.ts";
import { urlsAcceptOnce } from "./urls.ts";
import { fewOfGoodFail, nobodyStandsStill, type Waits, waitsOf } from "./waits.ts";
import { workflowsEnd } from "./workflows.ts";

export const KINDS = ["lost", "early", "wrong", "open", "stood still"] as const;
export type Kind = (typeof KINDS)[number];

/** What a run found. No promise is broken if all lists of `broken` are empty. */
export type Findings = {
  readonly broken: Readonly<Record<Kind, readonly string[]>>;
  /** Requests beyond the log. Delivery is at least once; this counts the surplus. */
  readonly duplicates: number;
  readonly waits: Waits;
};

const CHECKS: Readonly<Record<Kind, readonly Check[]>> = {
  lost: [acceptedEvents, deliveriesArrived, cancelledAreRecovered],
  early: [noneIsEarly],
  wrong: [
    ...[nothingIsUnrequested, urlsAcceptOnce, fewAreRepeated],
    ...[attemptsAreNumbered, answersWereGiven, requestsAreRight],
    ...[changesFitRows, statisticsFitLogs, erasedIsGone, ({ troubles }: Facts) => troubles],
  ],
  open: [nothingIsOpen, retriesKeepTime, workflowsEnd],
  "stood still": [nobodyStandsStill, fewOfGoodFail],
};

export function findingsFrom(facts: Facts): Findings {
  const broken = (kind: Kind) => CHECKS[kind].flatMap((check) => check(facts));
  return {
    broken: {
      lost: broken("lost"),
      early: broken("early"),
      wrong: broken("wrong"),
      open: broken("open"),
      "stood still": broken("stood still"),
    },
    duplicates: countDuplicates(facts),
    waits: waitsOf(facts),
  };
}

/** Returns everything that was found, by kind. */
export function linesOf({ broken }: Findings): string[] {
  return KINDS.flatMap((kind) => broken[kind].map((line) => `${kind}: ${line}`));
}
