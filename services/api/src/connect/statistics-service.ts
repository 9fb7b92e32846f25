import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  GetStatisticsResponseSchema,
  StatisticsBucketSchema,
  StatisticsRange,
  type StatisticsService,
} from "@posthaste/contracts/statistics";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "@posthaste/domain";
import {
  accountBacklog,
  addCounts,
  type Counts,
  NO_COUNTS,
  quantileMs,
  readStatistics,
  type SpanMs,
} from "@posthaste/store";
import type { Deps } from "../deps.ts";
import { callerOf } from "./call-values.ts";

type Range = { readonly lengthMs: number; readonly bucketMs: number; readonly spanMs: SpanMs };

const DAY: Range = { lengthMs: DAY_MS, bucketMs: 15 * MINUTE_MS, spanMs: 900_000 };

/** Each range has about 60 to 100 buckets, as many as a chart shows. A month reads the most rows: 2,880. */
const RANGES = {
  [StatisticsRange.UNSPECIFIED]: DAY,
  [StatisticsRange.HOUR]: { lengthMs: HOUR_MS, bucketMs: MINUTE_MS, spanMs: 60_000 },
  [StatisticsRange.DAY]: DAY,
  [StatisticsRange.WEEK]: { lengthMs: 7 * DAY_MS, bucketMs: 2 * HOUR_MS, spanMs: 900_000 },
  [StatisticsRange.MONTH]: { lengthMs: 30 * DAY_MS, bucketMs: 8 * HOUR_MS, spanMs: 900_000 },
} as const satisfies Record<StatisticsRange, Range>;

export function statisticsService({
  store,
  now,
}: Pick<Deps, "store" | "now">): ServiceImpl<typeof StatisticsService> {
  return {
    async getStatistics({ range }, context) {
      const { accountId } = callerOf(context);
      const { lengthMs, bucketMs, spanMs } = RANGES[range];
      const untilAt = now();
      const fromAt = untilAt - lengthMs;
      const buckets = await readStatistics(store, { accountId, spanMs, bucketMs, fromAt, untilAt });
      const backlog = await accountBacklog(store, accountId);
      const { oldestPendingAt, ...counted } = backlog;
      return create(GetStatisticsResponseSchema, {
        buckets: buckets.map(({ fromAt: at, counts }) => ({
          from: timestampFromMs(at),
          ...bucketTo(counts),
        })),
        bucket: durationFromMs(bucketMs),
        total: create(
          StatisticsBucketSchema,
          bucketTo(buckets.reduce((sum, { counts }) => addCounts(sum, counts), NO_COUNTS)),
        ),
        backlog: {
          ...counted,
          ...(oldestPendingAt === null ? {} : { oldestPendingAt: timestampFromMs(oldestPendingAt) }),
        },
      });
    },
  };
}

function bucketTo(counts: Counts) {
  const [p50, p95] = [quantileMs(counts, 0.5), quantileMs(counts, 0.95)];
  return {
    events: BigInt(counts.events),
    deliveries: BigInt(counts.deliveries),
    succeeded: BigInt(counts.succeeded),
    failed: BigInt(counts.failed),
    attempts: BigInt(counts.attempts),
    accepted: BigInt(counts.accepted),
    ...(p50 === null ? {} : { p50: durationFromMs(p50) }),
    ...(p95 === null ? {} : { p95: durationFromMs(p95) }),
  };
}
