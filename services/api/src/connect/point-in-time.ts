import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { Refusal } from "@posthaste/domain";

/** The years 1 to 9999: what Protobuf's own definition of a time bounds. */
const EARLIEST_MS = -62_135_596_800_000;
const LATEST_MS = Date.UTC(10_000, 0) - 1;

/**
 * The epoch milliseconds of a time that a caller gives. Protobuf's JSON has no time outside of its years, but its
 * binary has: such a time fits neither into ids nor into an answer. Nothing here is older than 1970, so an earlier
 * time, such as the zero of a language whose calendar begins with the year 1, means the same as 1970.
 *
 * @param field the request's, for the refusal
 * @throws Refusal where it is not in the years from 1 to 9999
 */
export function pointInTime(time: Timestamp, field: string): number {
  const ms = timestampMs(time);
  if (ms >= EARLIEST_MS && ms <= LATEST_MS) return Math.max(0, ms);
  throw new Refusal("invalid", "a time has to be in the years from 1 to 9999", { field });
}
