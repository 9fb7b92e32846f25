import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { ago, ahead, exactTime, timeToSecond } from "./times.ts";
import { useNow } from "./use-now.ts";

/**
 * Shows a time in the reader's time zone. On hover, shows the exact time with its zone and in UTC.
 *
 * @param relative how long ago it was; for a time to come, use `TimeAhead`. Default: date and time
 */
export function Time({ at, relative = false }: { at: Timestamp | undefined; relative?: boolean }) {
  const now = useNow(relative);
  return <TimeElement at={at} spell={(ms) => (relative ? ago(ms, now) : timeToSecond(ms))} />;
}

/** Shows how far ahead a time is, or `due` once it has come. */
export function TimeAhead({ at }: { at: Timestamp | undefined }) {
  const now = useNow(true);
  return <TimeElement at={at} spell={(ms) => ahead(ms, now)} />;
}

function TimeElement({ at, spell }: { at: Timestamp | undefined; spell(ms: number): string }) {
  if (at === undefined) return <span>–</span>;
  const ms = timestampMs(at);
  const iso = new Date(ms).toISOString();
  return (
    <time dateTime={iso} title={`${exactTime(ms)} (${iso})`}>
      {spell(ms)}
    </time>
  );
}
