import type { AccountId, DeliveryId, Lane, SubscriptionId } from "@posthaste/domain";
import type { RefusedClaims } from "./claim-fitting.ts";
import type { ClaimRotation } from "./claim-rotation.ts";

/**
 * Places at hosts. A claim takes one for each delivery before it locks it, so that claims at the same time do
 * not count on the same room, and gives those back whose deliveries it does not get.
 */
export type PlacesAtHosts = {
  /** Returns whether the delivery has a place. */
  readonly has: (id: DeliveryId) => boolean;
  /** Takes a place, if its account has room at the host. Returns whether the delivery has one. */
  readonly tryToReserve: (id: DeliveryId, accountId: AccountId, targetUrl: string) => boolean;
  /** Gives the delivery's place back. */
  readonly end: (id: DeliveryId) => void;
};

export type Claim = {
  /** Names the claimer in the lease. */
  readonly owner: string;
  /** Maximum deliveries to claim. */
  readonly limit: number;
  /**
   * Maximum deliveries of one subscription claimed or in flight at once, if its owner chose no concurrency.
   */
  readonly inFlightMax: number;
  /** Maximum first attempts per second of a draining subscription. Default: {@link DRAIN_PER_SECOND}. */
  readonly drainPerSecond?: number;
  /** How long the claim lasts. After that, another worker may claim the delivery. */
  readonly leaseMs: number;
  /**
   * The installation's clock. It is read in each transaction: a call has several, each may wait for the
   * database, and a lease that began before its row was locked would be partly or all over.
   */
  readonly now: () => number;
  /** The lane of accounts that chose none. Default: `workflow`. */
  readonly laneDefault?: Lane;
  /** Claims only deliveries of this lane. Default: all. */
  readonly lane?: Lane;
  /** True: only failing subscriptions. False: only healthy ones. Default: both. */
  readonly isFailing?: boolean;
  /** Whose turn it is, kept from claim to claim. Default: everyone's, in the order of their ids. */
  readonly rotation?: ClaimRotation;
  /** How many more deliveries of this account may be claimed. Default: any number. */
  readonly roomOf?: (id: AccountId) => number;
  /** The places of an account's attempts at each host. Default: any number. */
  readonly hosts?: PlacesAtHosts;
  /**
   * For the lane `direct`: how many more deliveries of this account may be claimed that were attempted
   * before. The others are left out. They need a workflow, whatever the lane. Default: any number.
   */
  readonly roomToStart?: (id: AccountId) => number;
  /** Leaves this subscription out. Default: none is left out. */
  readonly isLeftOut?: (id: SubscriptionId) => boolean;
  /** Called if the call reached one of its bounds before it had examined all subscriptions. */
  readonly onCutShort?: () => void;
  /** Called with what could not be claimed, if anything. */
  readonly onRefused?: (refused: RefusedClaims) => void;
};

/** A claim at the time of one of its transactions. */
export type ClaimNow = Omit<Claim, "now"> & { readonly now: number };
