import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Attempt,
  type Delivery,
  type Header,
  Outcome,
  type PlannedAttempt,
} from "@posthaste/contracts/delivery";
import { ChevronRight } from "lucide-react";
import { useMemo, useState } from "react";
import { Button } from "react-aria-components/Button";
import { Disclosure, DisclosurePanel } from "react-aria-components/Disclosure";
import { Heading } from "react-aria-components/Heading";
import { answerOf, Badge, OUTCOMES } from "../parts/badge.tsx";
import { BodyBlock } from "../parts/body-block.tsx";
import { durationMsOf } from "../parts/numbers.ts";
import { TextBlock } from "../parts/text-block.tsx";
import { Time, TimeAhead } from "../parts/time.tsx";
import { spelledMs } from "../parts/times.ts";
import { useNow } from "../parts/use-now.ts";
import { CurlButton } from "./curl-button.tsx";
import { Hint } from "./hint.tsx";
import styles from "./timeline.module.css";
import { expectedAt, whyDue, whyNonePlanned } from "./waiting.ts";

/** Shows a delivery's attempts and its planned attempts. */
export function Timeline(props: {
  delivery: Delivery;
  attempts: readonly Attempt[];
  planned: readonly PlannedAttempt[];
  /** The request body. Undefined while it loads, or if the event is no longer stored. */
  body: string | undefined;
}) {
  const { delivery, attempts, planned, body } = props;
  const last = attempts.at(-1)?.number;
  const [showsAll, setShowsAll] = useState(false);
  const upcoming = upcomingOf(delivery, planned, useNow(true)).slice(0, showsAll ? Infinity : UPCOMING_SHOWN);
  const nonePlanned = planned.length > 0 ? undefined : whyNonePlanned(delivery.state, attempts.length);
  return (
    <section aria-label="Timeline">
      <h2 className={styles.heading}>Timeline</h2>
      <ol className={styles.line}>
        {attempts.map((attempt) => (
          <li key={attempt.number} data-tone={toneOf(attempt)}>
            <AttemptEntry
              attempt={attempt}
              body={body}
              isOpen={attempt.number === last}
              isLast={attempt.number === last && planned.length === 0}
            />
          </li>
        ))}
        {nonePlanned !== undefined && (
          <li data-tone="grey">
            <p className={styles.waiting}>{nonePlanned}</p>
          </li>
        )}
        {upcoming.map(({ number, at, why }, i) => (
          <li key={number} data-tone="coming">
            <p className={styles.coming}>
              <strong>Attempt {number}</strong>
              <span>
                {why ?? (
                  <>
                    {i === 0 ? "due " : "if that fails, "}
                    <TimeAhead at={at} />
                  </>
                )}
              </span>
              <span className={styles.exact}>
                <Time at={at} />
              </span>
            </p>
          </li>
        ))}
        {upcoming.length < planned.length && (
          <li data-tone="coming">
            <Button className={styles.more} onPress={() => setShowsAll(true)}>
              Show {planned.length - upcoming.length} more, the last <TimeAhead at={planned.at(-1)?.dueAt} />
            </Button>
          </li>
        )}
      </ol>
    </section>
  );
}

/** The next attempts matter most. The rest follow the published schedule. */
const UPCOMING_SHOWN = 3;

function upcomingOf({ state }: Delivery, planned: readonly PlannedAttempt[], now: number) {
  const times = expectedAt(
    planned.map(({ dueAt }) => (dueAt === undefined ? now : timestampMs(dueAt))),
    now,
  );
  return planned.map(({ number }, i) => {
    const at = times[i] ?? now;
    return { number, at: timestampFromMs(at), why: i === 0 ? whyDue(state, at, now) : undefined };
  });
}

function AttemptEntry({
  attempt,
  body,
  isOpen,
  isLast,
}: {
  attempt: Attempt;
  body: string | undefined;
  isOpen: boolean;
  /** No attempt follows. */
  isLast: boolean;
}) {
  return (
    <Disclosure className={styles.attempt} defaultExpanded={isOpen}>
      <Heading level={3} className={styles.head}>
        <Button slot="trigger" className={styles.trigger}>
          <ChevronRight size={16} aria-hidden="true" />
          <strong>Attempt {attempt.number}</strong>
          <Badge tone={toneOf(attempt)}>{answerOf(attempt.outcome, attempt.status)}</Badge>
          <span className={styles.took}>{spelledMs(durationMsOf(attempt.duration))}</span>
          <span className={styles.when}>
            <Time at={attempt.startedAt} />
          </span>
        </Button>
      </Heading>
      <DisclosurePanel>
        <div className={styles.panel}>
          <div className={styles.side}>
            <h4>Request</h4>
            <p className={styles.target}>
              <span className="mono">POST {attempt.targetUrl}</span>
            </p>
            {attempt.requestHeaders.length > 0 && (
              <Headers headers={attempt.requestHeaders} label="Request headers" />
            )}
            <RequestBody body={body} />
            {body !== undefined && attempt.requestHeaders.length > 0 && (
              <CurlButton attempt={attempt} body={body} />
            )}
          </div>
          <div className={styles.side}>
            <h4>Response</h4>
            <p className={styles.target}>
              {attempt.status === 0 ? (
                OUTCOMES[attempt.outcome]
              ) : (
                <span className="mono">HTTP {attempt.status}</span>
              )}
              {attempt.address !== "" && <span className={styles.address}>from {attempt.address}</span>}
            </p>
            {attempt.detail !== "" && <p className={styles.detail}>{attempt.detail}</p>}
            <Hint attempt={attempt} isLast={isLast} />
            {attempt.responseHeaders.length > 0 && (
              <Headers headers={attempt.responseHeaders} label="Response headers" />
            )}
            {attempt.status !== 0 && (
              <BodyBlock
                label="Response body"
                bytes={attempt.responseBody}
                fileName={`response-${attempt.number}`}
                isTruncated={attempt.responseTruncated}
              />
            )}
          </div>
        </div>
      </DisclosurePanel>
    </Disclosure>
  );
}

function RequestBody({ body }: { body: string | undefined }) {
  const download = useMemo(
    () => (body === undefined ? undefined : { bytes: new TextEncoder().encode(body), name: "request.json" }),
    [body],
  );
  return (
    <TextBlock
      label="Request body"
      text={body ?? ""}
      note={body === undefined ? NO_EVENT : undefined}
      download={download}
    />
  );
}

const NO_EVENT = "The event is no longer stored: its retention period ended, or it was erased.";

function toneOf({ outcome }: Attempt) {
  return outcome === Outcome.ACCEPTED ? "green" : "red";
}

export function Headers({ headers, label }: { headers: readonly Header[]; label: string }) {
  return (
    <div className={styles.headers}>
      <table>
        <caption>{label}</caption>
        <tbody>
          {headers.map(({ name, value }, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: names can repeat, and the order never changes
            <tr key={i} data-signed={name.startsWith("webhook-")}>
              <th scope="row">{name}</th>
              <td>{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
