import { useQuery } from "@connectrpc/connect-query";
import { type Subscription, SubscriptionService } from "@posthaste/contracts/subscription";
import { answerOf } from "../parts/badge.tsx";
import { Card, Facts, Skeleton } from "../parts/layout.tsx";
import { durationMsOf, percent, whole } from "../parts/numbers.ts";
import { Time, TimeAhead } from "../parts/time.tsx";
import { spelledMs } from "../parts/times.ts";
import { waitingFor } from "../recover/selection.ts";
import { SendAgainButton } from "../recover/send-again.tsx";
import { useSession } from "../session/session-context.tsx";
import { AttemptsChart } from "./attempts-chart.tsx";
import styles from "./health.module.css";
import { insteadOfNext } from "./next-attempt.ts";

const EVERY_MS = 5_000;
const NO_ATTEMPTS = "no attempts for its recent deliveries";

/** Shows how a subscription's recent attempts went. */
export function Health({ subscription: { id, state } }: { subscription: Subscription }) {
  const { can } = useSession();
  const { data } = useQuery(
    SubscriptionService.method.getSubscriptionHealth,
    { id },
    { refetchInterval: EVERY_MS },
  );
  if (data === undefined) {
    return (
      <Card title="Health">
        <Skeleton lines={5} />
      </Card>
    );
  }
  const share = data.attempts === 0 ? undefined : data.accepted / data.attempts;
  const counted = data.attempts === 1 ? "1 attempt" : `the last ${whole(data.attempts)} attempts`;
  return (
    <Card title="Health">
      <div className={styles.share}>
        <strong>{share === undefined ? "–" : percent(share)}</strong>
        <span>{share === undefined ? NO_ATTEMPTS : `success rate over ${counted}`}</span>
      </div>
      <meter
        className={styles.meter}
        min={0}
        max={1}
        low={0.9}
        high={0.99}
        optimum={1}
        value={share ?? 0}
        aria-label="Success rate"
        aria-valuetext={share === undefined ? NO_ATTEMPTS : percent(share)}
      />
      <Facts
        facts={[
          ["Median latency", data.p50 === undefined ? "–" : spelledMs(durationMsOf(data.p50))],
          ["p95 latency", data.p95 === undefined ? "–" : spelledMs(durationMsOf(data.p95))],
          ["Last attempt", <Time key="last" at={data.lastAttemptAt} relative />],
          ["Last outcome", answerOf(data.lastOutcome, 0)],
          ["Next attempt", insteadOfNext(state) ?? <TimeAhead key="next" at={data.nextAttemptAt} />],
          ["Pending, parked", `${whole(data.pending)}, ${whole(data.parked)}`],
          ["Waiting for a retry", whole(data.retrying)],
        ]}
      />
      {data.bucket !== undefined && can("deliveries:read") && (
        <AttemptsChart id={id} buckets={data.buckets} lengthMs={durationMsOf(data.bucket)} />
      )}
      {can("deliveries:write") && (
        <div className={styles.send}>
          <SendAgainButton
            label="Send what waits now…"
            selection={waitingFor(id)}
            isOffered={data.retrying > 0}
          />
        </div>
      )}
    </Card>
  );
}
