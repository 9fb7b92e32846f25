import { type Timestamp, timestampDate, timestampMs } from "@bufbuild/protobuf/wkt";
import { useNow } from "./use-now.ts";

const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const SHORT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", 30],
  ["month", 12],
  ["year", Number.POSITIVE_INFINITY],
];

/** Shows a time in the reader's time zone. On hover, shows the exact time with its zone and in UTC. */
export function Time({ at, relative = false }: { at: Timestamp | undefined; relative?: boolean }) {
  const now = useNow(relative);
  if (at === undefined) return <span>–</span>;
  const date = timestampDate(at);
  return (
    <time dateTime={date.toISOString()} title={`${EXACT.format(date)} (${date.toISOString()})`}>
      {relative ? relativeTo(date.getTime(), now) : SHORT.format(date)}
    </time>
  );
}

/** Shows how far ahead a time is, or `due` once it has come. */
export function TimeAhead({ at }: { at: Timestamp | undefined }) {
  const now = useNow(true);
  if (at !== undefined && timestampMs(at) <= now) return <span>due</span>;
  return <Time at={at} relative />;
}

function relativeTo(at: number, now: number): string {
  let amount = Math.round((at - now) / 1000);
  for (const [unit, size] of STEPS) {
    if (Math.abs(amount) < size) return RELATIVE.format(amount, unit);
    amount = Math.round(amount / size);
  }
  return SHORT.format(at);
}

/** Formats a duration, for example `1.5 s` or `2 h 5 min`. */
export function spelledMs(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Number((ms / 1_000).toFixed(1))} s`;
  const minutes = Math.round(ms / 60_000);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.round(hours / 24)} days`;
}

/** Formats a time as the value of a `datetime-local` input, in the reader's time zone. */
export function localInput(at: number): string {
  const date = new Date(at);
  return new Date(at - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
