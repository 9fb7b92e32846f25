import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";

const WHOLE = new Intl.NumberFormat();
const PERCENT = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });

/** Formats a count for the reader's locale. */
export function whole(count: number | bigint | undefined): string {
  return WHOLE.format(count ?? 0);
}

export function percent(share: number): string {
  return PERCENT.format(share);
}

export function durationMsOf(duration: Duration | undefined): number {
  return duration === undefined ? 0 : durationMs(duration);
}
