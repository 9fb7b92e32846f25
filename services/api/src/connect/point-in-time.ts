import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { Refusal } from "@posthaste/domain";

/** The years 1 to 9999, the range of a Protobuf `Timestamp`. */
const EARLIEST_MS = -62_135_596_800_000;
const LATEST_MS = Date.UTC(10_000, 0) - 1;

/**
 * Returns a caller's time in epoch milliseconds. Protobuf's JSON format excludes times outside the years 1 to
 * 9999, but its binary format does not, and such a time fits neither into an id nor into an answer. No record
 * is older than 1970, so an earlier time, such as the zero time of a language that counts from the year 1, is
 * read as 1970.
 *
 * @param field the request field, for the refusal
 * @throws Refusal if the time is outside the years 1 to 9999
 */
export function pointInTime(time: Timestamp, field: string): number {
  const ms = timestampMs(time);
  if (ms >= EARLIEST_MS && ms <= LATEST_MS) return Math.max(0, ms);
  throw new Refusal("invalid", "a time must be in the years from 1 to 9999", { field });
}
