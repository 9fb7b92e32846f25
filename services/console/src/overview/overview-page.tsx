import { timestampMs } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import {
  type GetStatisticsResponse,
  type StatisticsBucket,
  StatisticsRange,
  StatisticsService,
} from "@posthaste/contracts/statistics";
import { keepPreviousData } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { Link } from "wouter";
import { useLiveInterval } from "../api/use-live-interval.ts";
import controls from "../parts/controls.module.css";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, PageHeader } from "../parts/layout.tsx";
import { durationMsOf, whole } from "../parts/numbers.ts";
import { Toggles } from "../parts/toggles.tsx";
import { useNow } from "../parts/use-now.ts";
import { Denied } from "../session/denied.tsx";
import { useSession } from "../session/session-context.tsx";
import { FailingSubscriptions } from "./failing-subscriptions.tsx";
import { FIGURE_NAMES, figuresOf } from "./figures.ts";
import { KNOWN_MAX_MS, spelledLatency } from "./latency.ts";
import styles from "./overview-page.module.css";

const TimeChart = lazy(async () => ({ default: (await import("./time-chart.tsx")).TimeChart }));

const RANGES = [
  { id: "HOUR", name: "1 h", phrase: "the last hour" },
  { id: "DAY", name: "24 h", phrase: "the last 24 hours" },
  { id: "WEEK", name: "7 d", phrase: "the last 7 days" },
  { id: "MONTH", name: "30 d", phrase: "the last 30 days" },
] as const;
type RangeId = (typeof RANGES)[number]["id"];

/** The polling interval while deliveries change. */
const EVERY_MS = 5_000;

export function OverviewPage() {
  const { can } = useSession();
  const mayRead = can("deliveries:read");
  const [range, setRange] = useState<RangeId>("DAY");
  const refetchInterval = useLiveInterval(EVERY_MS);
  const { data, error, refetch } = useQuery(
    StatisticsService.method.getStatistics,
    { range: StatisticsRange[range] },
    { refetchInterval, placeholderData: keepPreviousData, enabled: mayRead },
  );
  const phrase = RANGES.find(({ id }) => id === range)?.phrase ?? "";
  const charts = mayRead && <Charts data={data} range={range} />;
  return (
    <>
      <PageHeader title="Overview" about={`Activity in ${phrase}, and the current backlog.`}>
        <Toggles label="Time range" options={RANGES} value={range} onChange={setRange} />
      </PageHeader>
      {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
      {mayRead ? <Numbers data={data} hasFailed={error !== null} /> : <Denied scope="deliveries:read" />}
      {can("subscriptions:read") ? <FailingSubscriptions>{charts}</FailingSubscriptions> : charts}
    </>
  );
}

function Numbers({ data, hasFailed }: { data: GetStatisticsResponse | undefined; hasFailed: boolean }) {
  const figures = figuresOf(data, hasFailed, useNow(true));
  return (
    <dl className={styles.numbers}>
      {FIGURE_NAMES.map((name) => (
        <div key={name} className={styles.figure}>
          <dt>{name}</dt>
          <dd className={figures[name].isBad === true ? styles.bad : ""}>{figures[name].value}</dd>
          <dd className={styles.about}>{figures[name].about}</dd>
        </div>
      ))}
    </dl>
  );
}

function Charts({ data, range }: { data: GetStatisticsResponse | undefined; range: RangeId }) {
  const { can, session } = useSession();
  const buckets = data?.buckets ?? [];
  const isEmpty = data !== undefined && data.total?.deliveries === 0n && data.total.attempts === 0n;
  if (isEmpty) {
    return (
      <Card>
        <Empty title="No deliveries in this period">
          <p>Create a subscription, then send a test event to see it arrive.</p>
          <div className={styles.ways}>
            {can("subscriptions:write") && (
              <Link href="/subscriptions/new" className={`${controls.button} ${controls.primary}`}>
                Create a subscription
              </Link>
            )}
            {session.inboxes && can("subscriptions:write") && (
              <Link href="/inbox" className={controls.button}>
                Try an inbox
              </Link>
            )}
          </div>
        </Empty>
      </Card>
    );
  }
  return (
    <div className={styles.charts}>
      <Card title="Attempts">
        <div className={styles.chart}>
          {data !== undefined && (
            <Suspense>
              <TimeChart
                key={range}
                label="Attempts over time"
                times={buckets.map(timeOf)}
                series={[
                  {
                    name: "Accepted",
                    color: "--chart-good",
                    values: buckets.map(({ accepted }) => Number(accepted)),
                  },
                  {
                    name: "Failed",
                    color: "--chart-bad",
                    values: buckets.map(({ attempts, accepted }) => Number(attempts - accepted)),
                  },
                ]}
                kind="bars"
                spell={whole}
                opens={data.bucket === undefined ? undefined : { lengthMs: durationMsOf(data.bucket) }}
              />
            </Suspense>
          )}
        </div>
      </Card>
      <Card title="Latency">
        <div className={styles.chart}>
          {data !== undefined && (
            <Suspense>
              <TimeChart
                key={range}
                label="Latency over time"
                times={buckets.map(timeOf)}
                series={[
                  {
                    name: "Median",
                    color: "--chart-one",
                    values: buckets.map(({ p50 }) => orNull(p50)),
                  },
                  {
                    name: "p95",
                    color: "--chart-two",
                    values: buckets.map(({ p95 }) => orNull(p95)),
                  },
                ]}
                kind="lines"
                ceiling={KNOWN_MAX_MS}
                spell={spelledLatency}
              />
            </Suspense>
          )}
        </div>
      </Card>
    </div>
  );
}

const timeOf = ({ from }: StatisticsBucket) => (from === undefined ? 0 : timestampMs(from));
const orNull = (duration: StatisticsBucket["p50"]) =>
  duration === undefined ? null : durationMsOf(duration);
