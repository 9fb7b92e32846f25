import type { AttemptsBucket } from "@posthaste/contracts/subscription";
import { lazy, Suspense, useMemo } from "react";
import { whole } from "../parts/numbers.ts";
import { spelledMs } from "../parts/times.ts";
import { attemptBars } from "./attempt-bars.ts";
import styles from "./attempts-chart.module.css";

const TimeChart = lazy(async () => ({ default: (await import("../overview/time-chart.tsx")).TimeChart }));

/** Draws a subscription's recent attempts over the time that they cover. */
export function AttemptsChart(props: { id: number; buckets: readonly AttemptsBucket[]; lengthMs: number }) {
  const { id, buckets, lengthMs } = props;
  const { times, accepted, failed } = useMemo(() => attemptBars(buckets, lengthMs), [buckets, lengthMs]);
  return (
    <div className={styles.chart}>
      <p>Attempts of its newest 500 deliveries, every {spelledMs(lengthMs)}</p>
      <Suspense>
        <TimeChart
          key={lengthMs}
          label="Attempts over time"
          times={times}
          series={[
            { name: "Accepted", color: "--chart-good", values: accepted },
            { name: "Failed", color: "--chart-bad", values: failed },
          ]}
          kind="bars"
          spell={whole}
          opens={{ lengthMs, subscriptionId: id }}
        />
      </Suspense>
    </div>
  );
}
