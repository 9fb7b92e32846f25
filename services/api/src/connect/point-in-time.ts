import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { Refusal } from "@posthaste/domain";

/** The end of the year 9999: what Protobuf's own definition of a time bounds, and ids have room for. */
const LATEST_MS = Date.UTC(10_000, 0) - 1;

/**
 * The epoch milliseconds of a time that a caller gives. Protobuf's JSON has no time beyond the year 9999, but
 * its binary has: such a time fits neither into ids nor into an answer.
 *
 * @param field the request's, for the refusal
 * @throws Refusal where it is before 1970 or after 9999
 */
export function pointInTime(time: Timestamp, field: string): number {
  const ms = timestampMs(time);
  if (ms >= 0 && ms <= LATEST_MS) return ms;
  throw new Refusal("invalid", "a time has to be in the years from 1970 to 9999", { field });
}
