import { type AccountId, type DeliveryId, hostOf } from "@posthaste/domain";
import { createShares } from "./shares.ts";

/**
 * The attempts of an account at one host that are under way in this process. Each subscription has a bound of
 * its own, but an account may have thousands on one host: together they must not flood it.
 *
 * A delivery takes a place here beside the one among its account's attempts (`shares.ts`), at the same times.
 */
export type HostPlaces = {
  /** Returns how many more attempts of this account may begin at the URL's host. */
  readonly roomOf: (accountId: AccountId, targetUrl: string) => number;
  /** Returns whether the delivery has a place. */
  readonly has: (id: DeliveryId) => boolean;
  /** Takes a place for a delivery that is to be claimed, if there is room. Returns whether it has one. */
  readonly tryToReserve: (id: DeliveryId, accountId: AccountId, targetUrl: string) => boolean;
  /** Returns whether the delivery's attempt may begin: its host has room, or a place was reserved for it. */
  readonly hasRoomFor: (id: DeliveryId, accountId: AccountId, targetUrl: string) => boolean;
  /** Takes a place for an attempt that begins now, or the place that was reserved for it. */
  readonly begin: (id: DeliveryId, accountId: AccountId, targetUrl: string) => void;
  /** Gives the delivery's place back. */
  readonly end: (id: DeliveryId) => void;
  /** Returns when an attempt that found no room is likely to find one; see `shares.ts`. */
  readonly nextRoomAt: (accountId: AccountId, targetUrl: string, nowMs: number) => number;
};

/** @param max the attempts of an account at one host */
export function createHostPlaces(max: number): HostPlaces {
  const places = createShares<DeliveryId, string>(max, { roomFor: (held) => Math.max(0, max - held) });
  const keyOf = (accountId: AccountId, targetUrl: string) => `${accountId} ${hostOf(targetUrl)}`;
  const hasRoomFor = (id: DeliveryId, accountId: AccountId, targetUrl: string) =>
    places.has(id) || places.roomOf(keyOf(accountId, targetUrl)) > 0;
  return {
    roomOf: (accountId, targetUrl) => places.roomOf(keyOf(accountId, targetUrl)),
    has: places.has,
    tryToReserve(id, accountId, targetUrl) {
      if (!hasRoomFor(id, accountId, targetUrl)) return false;
      places.reserve(id, keyOf(accountId, targetUrl));
      return true;
    },
    hasRoomFor,
    begin: (id, accountId, targetUrl) => places.begin(id, keyOf(accountId, targetUrl)),
    end: places.end,
    nextRoomAt: (accountId, targetUrl, nowMs) => places.nextRoomAt(keyOf(accountId, targetUrl), nowMs),
  };
}
