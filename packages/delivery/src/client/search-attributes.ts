import type { Client } from "@temporalio/client";
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from "@temporalio/common";
import { bounded } from "./bounded.ts";
import { GRPC, grpcCodeOf } from "./grpc-code.ts";

/** What operators find a delivery by in Temporal's UI and CLI. Five of the ten keywords that SQL visibility has. */
const KEYS = {
  account: defineSearchAttributeKey("PosthasteAccount", SearchAttributeType.KEYWORD),
  subscription: defineSearchAttributeKey("PosthasteSubscription", SearchAttributeType.KEYWORD),
  eventType: defineSearchAttributeKey("PosthasteEventType", SearchAttributeType.KEYWORD),
  event: defineSearchAttributeKey("PosthasteEvent", SearchAttributeType.KEYWORD),
  host: defineSearchAttributeKey("PosthasteHost", SearchAttributeType.KEYWORD),
} as const;

const INDEXED_KEYWORD = 2;

export type Searchable = Readonly<Record<keyof typeof KEYS, string>>;

/** Part of a start's options. */
type StartAttributes = { readonly typedSearchAttributes?: TypedSearchAttributes };

/**
 * Gives workflows their search attributes as far as the server has them. Where they are missing, operators
 * lack their filters; no delivery waits for them.
 */
export type Searchability = {
  /**
   * Makes a start with the attributes, or without them where the server does not know them.
   *
   * @throws what the start threw; where it was made both ways, what it threw without them
   */
  start(values: Searchable, start: (attributes: StartAttributes) => Promise<unknown>): Promise<void>;
  /**
   * Resolves when none of its own calls is under way. Were the connection closed before, the SDK's retry
   * would throw.
   */
  stop(): Promise<void>;
};

export type SearchabilityOptions = {
  readonly now: () => number;
  /**
   * A workflow was started without its attributes, and why. Called once for all that follow, until one was
   * started with them again.
   */
  readonly onMissing: (why: unknown) => void;
};

/**
 * The least time between two looks at what is registered. A server takes some seconds to know a new
 * attribute, and many starts at once find out that it does not.
 */
const LOOK_AGAIN_MS = 10_000;
/** The same where Temporal or the namespace was away: the look found nothing out. */
const LOOK_AGAIN_AWAY_MS = 1_000;
/**
 * The same where registering was refused. A cloud always does, and an operator may make the attributes at any
 * time.
 */
const LOOK_AGAIN_REFUSED_MS = 60_000;
/**
 * A server that refuses attributes so soon after they were registered does not know them yet; nobody is told
 * of that.
 */
const NOTICED_WITHIN_MS = 60_000;

const AWAY: ReadonlySet<number | undefined> = new Set([
  GRPC.CANCELLED,
  GRPC.DEADLINE_EXCEEDED,
  GRPC.NOT_FOUND,
  GRPC.UNAVAILABLE,
]);

/**
 * Registers the attributes at the first start, which waits for that, and again whenever the server turns out
 * not to know them: it has lost its data, or somebody removed one.
 */
export function createSearchability(client: Client, { now, onMissing }: SearchabilityOptions): Searchability {
  let isKnown = false;
  /**
   * Looks begun so far. What a start finds out counts only where none began meanwhile: it is old otherwise.
   */
  let looks = 0;
  let lookAfter = 0;
  let firstLook: Promise<void> | undefined;
  let lastLook: Promise<void> | undefined;
  let why: unknown;
  let isTold = false;
  /** Set by registering; undefined again once a workflow was given the attributes. */
  let noticedBy: number | undefined;

  const look = async () => {
    let pauseMs = LOOK_AGAIN_MS;
    try {
      if ((await registerSearchAttributes(client)) > 0) noticedBy ??= now() + NOTICED_WITHIN_MS;
      isKnown = true;
    } catch (error) {
      why = error;
      pauseMs = AWAY.has(grpcCodeOf(error)) ? LOOK_AGAIN_AWAY_MS : LOOK_AGAIN_REFUSED_MS;
    }
    lookAfter = now() + pauseMs;
  };
  const lookIfDue = () => {
    if (isKnown || now() < lookAfter) return;
    looks += 1;
    lookAfter = Number.POSITIVE_INFINITY;
    lastLook = look();
    firstLook ??= lastLook;
  };

  return {
    async start(values, start) {
      lookIfDue();
      // Later looks are not waited for: starts go on without the attributes.
      await firstLook;
      const begunAfter = looks;
      let refusal: unknown;
      if (isKnown) {
        try {
          await start({ typedSearchAttributes: attributesOf(values) });
          if (isKnown && looks === begunAfter) {
            isTold = false;
            noticedBy = undefined;
          }
          return;
        } catch (error) {
          if (grpcCodeOf(error) !== GRPC.INVALID_ARGUMENT) throw error;
          refusal = error;
        }
      }
      await start({});
      if (looks !== begunAfter) return;
      if (refusal !== undefined) {
        // Without them it was taken, so the attributes were what the server refused.
        why = refusal;
        isKnown = false;
        lookIfDue();
      }
      if (isTold || (noticedBy !== undefined && now() < noticedBy)) return;
      isTold = true;
      onMissing(why);
    },
    async stop() {
      await lastLook;
    },
  };
}

function attributesOf(values: Searchable): TypedSearchAttributes {
  const names = Object.keys(KEYS) as (keyof typeof KEYS)[];
  return new TypedSearchAttributes(names.map((name) => ({ key: KEYS[name], value: values[name] })));
}

/**
 * Registers what is missing with the namespace.
 *
 * @returns how many attributes were missing
 * @throws where Temporal is away, or does not let this client (a cloud wants its own tool for it)
 */
async function registerSearchAttributes(client: Client): Promise<number> {
  const { namespace } = client.options;
  const { operatorService } = client.connection;
  const known = await bounded(client, () => operatorService.listSearchAttributes({ namespace }));
  const missing = Object.values(KEYS).filter((key) => known.customAttributes?.[key.name] === undefined);
  if (missing.length === 0) return 0;
  const request = {
    namespace,
    searchAttributes: Object.fromEntries(missing.map((key) => [key.name, INDEXED_KEYWORD])),
  };
  await bounded(client, () => operatorService.addSearchAttributes(request)).catch((error: unknown) => {
    // Another worker was first.
    if (grpcCodeOf(error) !== GRPC.ALREADY_EXISTS) throw error;
  });
  return missing.length;
}
