import { type AccountId, Refusal, roomToShare, type TokenId } from "@posthaste/domain";
import type { Principal } from "@posthaste/store";

/** The part of its account's places that one token may hold: the account's others keep the rest. */
export const TOKEN_SHARE = 3 / 4;

/** What takes a place, for the refusal: such as "request in flight" and "requests in flight". */
export type Counted = { readonly one: string; readonly many: string };

export type PlacesOptions = {
  readonly what: Counted;
  readonly reason: "REQUESTS_FULL" | "STREAMS_FULL";
  readonly ofAll: number;
  readonly ofAccount: number;
  /** How long until another try is likely to find a place. */
  readonly retryAfterMs: number;
};

/** Places that accounts share. */
export type Places = {
  /**
   * Takes a place.
   *
   * @returns gives it back; call it once
   * @throws Refusal `too_many` if the token, its account or all accounts together hold their part
   */
  take(principal: Pick<Principal, "accountId" | "tokenId">): () => void;
  /** Returns how many are taken. */
  taken(): number;
  /** Returns how many accounts have one. */
  accounts(): number;
};

/**
 * Bounds what is open at once in this process, so that no account, nor a few together, keeps the others out:
 * what an account may take shrinks with what is free. See {@link roomToShare}.
 */
export function createPlaces({ what, reason, ofAll, ofAccount, retryAfterMs }: PlacesOptions): Places {
  const ofToken = Math.ceil(ofAccount * TOKEN_SHARE);
  const byAccount = createCount<AccountId>();
  const byToken = createCount<TokenId>();
  let taken = 0;
  return {
    take({ accountId, tokenId }) {
      const held = byAccount.of(accountId);
      const refuse = (holder: "token" | "account" | "server", words: string) =>
        new Refusal("too_many", `${words}; wait until one of them ends`, {
          reason,
          metadata: { holder },
          retryAfterMs,
        });
      if (byToken.of(tokenId) >= ofToken)
        throw refuse("token", `this token has ${counted(ofToken, what)}, its maximum`);
      if (held >= ofAccount || (ofAll > taken && roomToShare(held, ofAll - taken) === 0))
        throw refuse("account", `this account has ${counted(held, what)}, its part of ${ofAll}`);
      if (taken >= ofAll) throw refuse("server", allTaken(ofAll, what));
      byAccount.add(accountId, 1);
      byToken.add(tokenId, 1);
      taken += 1;
      return () => {
        byAccount.add(accountId, -1);
        byToken.add(tokenId, -1);
        taken -= 1;
      };
    },
    taken: () => taken,
    accounts: byAccount.holders,
  };
}

/** Says that all places are taken. */
export function allTaken(ofAll: number, what: Counted): string {
  return `there ${ofAll === 1 ? "is" : "are"} ${counted(ofAll, what)}, the maximum`;
}

function counted(count: number, { one, many }: Counted): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Counts for each holder; a holder with none is forgotten. */
export function createCount<Id>() {
  const counts = new Map<Id, number>();
  const of = (id: Id) => counts.get(id) ?? 0;
  return {
    of,
    holders: () => counts.size,
    add(id: Id, by: number) {
      const count = of(id) + by;
      if (count === 0) counts.delete(id);
      else counts.set(id, count);
    },
  };
}

/** The memory for bodies that are being received or used, and for answers, which accounts share. */
export type BodyRoom = {
  /** Returns a body's part of it. */
  begin(accountId: AccountId): {
    /**
     * Counts bytes that have arrived, or wait to be sent; after the end none, since nobody would give them
     * back.
     *
     * @throws Refusal `too_many` if the account's messages hold its part
     */
    receive(bytes: number): void;
    /** Gives all of its bytes back; call it once. */
    end(): void;
  };
  /** Returns how many bytes are held. */
  held(): number;
};

/** @param bytesMax all accounts' messages together */
export function createBodyRoom(bytesMax: number, retryAfterMs: number): BodyRoom {
  const byAccount = createCount<AccountId>();
  let held = 0;
  return {
    begin(accountId) {
      let own = 0;
      let isOver = false;
      return {
        receive(bytes) {
          if (isOver) return;
          const ofAccount = byAccount.of(accountId);
          const free = bytesMax - held;
          // An account's only body may have all that is free: its own limit is far below.
          if (bytes > (ofAccount > own ? roomToShare(ofAccount, free) : free)) {
            throw new Refusal(
              "too_many",
              `the messages of this account that are under way hold ${ofAccount} bytes, its part of ${bytesMax}; send and read fewer at once`,
              { reason: "BODIES_FULL", retryAfterMs },
            );
          }
          byAccount.add(accountId, bytes);
          own += bytes;
          held += bytes;
        },
        end() {
          isOver = true;
          byAccount.add(accountId, -own);
          held -= own;
        },
      };
    },
    held: () => held,
  };
}
