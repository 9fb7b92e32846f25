import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import { LOCALE } from "./locale.ts";

const WHOLE = new Intl.NumberFormat(LOCALE);
// Rounds down: 100% means all of them.
const PERCENT = new Intl.NumberFormat(LOCALE, {
  style: "percent",
  maximumFractionDigits: 1,
  roundingMode: "floor",
});
const LEAST_SHARE = 0.001;

/** Formats a count. */
export function whole(count: number | bigint | undefined): string {
  return WHOLE.format(count ?? 0);
}

/** Formats a share: `100%` means all, and `0%` means none. */
export function percent(share: number): string {
  if (share > 0 && share < LEAST_SHARE) return `under ${PERCENT.format(LEAST_SHARE)}`;
  return PERCENT.format(share);
}

export function durationMsOf(duration: Duration | undefined): number {
  return duration === undefined ? 0 : durationMs(duration);
}

/** Says a size: `12 bytes`, `1.5 KiB`. */
export function sizeInWords(bytes: number): string {
  if (bytes < 1_024) return `${whole(bytes)} ${bytes === 1 ? "byte" : "bytes"}`;
  const kib = bytes / 1_024;
  return kib < 1_024 ? `${Number(kib.toFixed(1))} KiB` : `${Number((kib / 1_024).toFixed(1))} MiB`;
}
