import { LOCALE } from "./locale.ts";

// Each in the reader's time zone.
const EXACT = new Intl.DateTimeFormat(LOCALE, { dateStyle: "full", timeStyle: "long" });
const TO_SECOND = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "medium" });
const TO_MINUTE = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "short" });
const CLOCK = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short" });
// "1 day ago" rather than "yesterday": 30 hours ago may be two dates ago.
const RELATIVE = new Intl.RelativeTimeFormat(LOCALE, { style: "short" });

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", 30],
  ["month", 12],
  ["year", Number.POSITIVE_INFINITY],
];

/** For example `Saturday, 28 November 2026 at 14:05:09 GMT`. */
export const exactTime = (at: number) => EXACT.format(at);
/** For example `28 Nov 2026, 14:05:09`. */
export const timeToSecond = (at: number) => TO_SECOND.format(at);
/** For example `28 Nov 2026, 14:05`. */
export const timeToMinute = (at: number) => TO_MINUTE.format(at);
/** For example `14:05`. */
export const clockTime = (at: number) => CLOCK.format(at);
/** For example `28 Nov`. */
export const dayOf = (at: number) => DAY.format(at);

/**
 * Returns how long ago something happened, for example `3 min ago`. If the server's clock is ahead of this
 * one, it has happened all the same: `now`.
 */
export function ago(at: number, now: number): string {
  const seconds = Math.floor((now - at) / 1_000);
  return seconds <= 0 ? "now" : relative(-seconds);
}

/** Returns how far ahead a time is, for example `in 3 min`, or `due` once it has come. */
export function ahead(at: number, now: number): string {
  const seconds = Math.ceil((at - now) / 1_000);
  return seconds <= 0 ? "due" : relative(seconds);
}

function relative(seconds: number): string {
  let amount = seconds;
  for (const [unit, size] of STEPS) {
    if (Math.abs(amount) < size) return RELATIVE.format(amount, unit);
    amount = Math.round(amount / size);
  }
  throw new Error("unreachable: the last step has no end");
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
  const digits = (value: number, length = 2) => String(value).padStart(length, "0");
  const day = [digits(date.getFullYear(), 4), digits(date.getMonth() + 1), digits(date.getDate())].join("-");
  return `${day}T${digits(date.getHours())}:${digits(date.getMinutes())}`;
}
