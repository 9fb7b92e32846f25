import { MINUTE_MS } from "@posthaste/domain";
import type { Client } from "@temporalio/client";
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from "@temporalio/common";
import { bounded } from "./bounded.ts";
import { GRPC, grpcCodeOf } from "./grpc-code.ts";
import { NoNamespace } from "./no-namespace.ts";

/**
 * The search attributes by which operators find a delivery in Temporal's UI and CLI. They use five of the ten
 * Keyword attributes that SQL visibility supports.
 */
const KEYS = {
  account: defineSearchAttributeKey("PosthasteAccount", SearchAttributeType.KEYWORD),
  subscription: defineSearchAttributeKey("PosthasteSubscription", SearchAttributeType.KEYWORD),
  eventType: defineSearchAttributeKey("PosthasteEventType", SearchAttributeType.KEYWORD),
  event: defineSearchAttributeKey("PosthasteEvent", SearchAttributeType.KEYWORD),
  host: defineSearchAttributeKey("PosthasteHost", SearchAttributeType.KEYWORD),
} as const;

const INDEXED_KEYWORD = 2;

type Searchable = Readonly<Record<keyof typeof KEYS, string>>;

/** The part of a start's options that contains the search attributes. */
type StartAttributes = { readonly typedSearchAttributes?: TypedSearchAttributes };

/**
 * Starts workflows with search attributes if the server knows them, and without them otherwise. No delivery
 * waits for search attributes; without them, operators only lack the filters.
 */
export type Searchability = {
  /**
   * Calls `start` with the attributes. If the server does not know them, calls it without them.
   *
   * @throws the error of the last call of `start`
   */
  start(values: Searchable, start: (attributes: StartAttributes) => Promise<unknown>): Promise<void>;
  /**
   * Resolves when none of its own calls is in flight. Wait for it before you close the connection: otherwise,
   * a retry of the SDK would throw.
   */
  stop(): Promise<void>;
};

export type SearchabilityOptions = {
  readonly now: () => number;
  /**
   * Called when a workflow was started without its attributes, with the reason. Called again only after
   * another workflow was started with them.
   */
  readonly onMissing: (why: unknown) => void;
};

/**
 * The minimum time between two registrations. A server takes some seconds to accept a new attribute, and in
 * the meantime it may refuse many starts at once.
 */
const PAUSE_MS = 10_000;
/** The minimum time after a registration that failed because Temporal or the namespace was unreachable. */
const PAUSE_UNREACHABLE_MS = 1_000;
/**
 * The minimum time after a refused registration. A managed Temporal service refuses all; an operator may
 * create the attributes at any time.
 */
const PAUSE_REFUSED_MS = MINUTE_MS;
/** If the server refuses the attributes within this time of their registration, `onMissing` is not called. */
const KNOWN_WITHIN_MS = MINUTE_MS;

const UNREACHABLE: ReadonlySet<number | undefined> = new Set([
  GRPC.CANCELLED,
  GRPC.DEADLINE_EXCEEDED,
  GRPC.UNAVAILABLE,
]);

/**
 * Creates a {@link Searchability}. It registers the attributes on the first start, which waits for the
 * registration, and again whenever the server refuses them, because it lost its data or because somebody
 * removed an attribute.
 */
export function createSearchability(client: Client, { now, onMissing }: SearchabilityOptions): Searchability {
  let isKnown = false;
  /**
   * Registrations begun so far. A start's result is outdated if another registration began during the start.
   */
  let registrations = 0;
  let registerAfter = 0;
  let firstRegistration: Promise<void> | undefined;
  let lastRegistration: Promise<void> | undefined;
  let why: unknown;
  let isReported = false;
  /**
   * When the server should know the attributes: set by a registration, cleared by a start with attributes.
   */
  let knownBy: number | undefined;

  const register = async () => {
    let pauseMs = PAUSE_MS;
    try {
      if ((await registerSearchAttributes(client)) > 0) knownBy ??= now() + KNOWN_WITHIN_MS;
      isKnown = true;
    } catch (error) {
      why = error;
      const isUnreachable = error instanceof NoNamespace || UNREACHABLE.has(grpcCodeOf(error));
      pauseMs = isUnreachable ? PAUSE_UNREACHABLE_MS : PAUSE_REFUSED_MS;
    }
    registerAfter = now() + pauseMs;
  };
  const registerIfDue = () => {
    if (isKnown || now() < registerAfter) return;
    registrations += 1;
    registerAfter = Number.POSITIVE_INFINITY;
    lastRegistration = register();
    firstRegistration ??= lastRegistration;
  };

  return {
    async start(values, start) {
      registerIfDue();
      // Starts wait only for the first registration. During later ones, they continue without the attributes.
      await firstRegistration;
      const begunAfter = registrations;
      let refusal: unknown;
      if (isKnown) {
        try {
          await start({ typedSearchAttributes: attributesOf(values) });
          if (isKnown && registrations === begunAfter) {
            isReported = false;
            knownBy = undefined;
          }
          return;
        } catch (error) {
          if (grpcCodeOf(error) !== GRPC.INVALID_ARGUMENT) throw error;
          refusal = error;
        }
      }
      await start({});
      if (registrations !== begunAfter) return;
      if (refusal !== undefined) {
        // The start succeeded without the attributes, so the attributes were the reason of the refusal.
        why = refusal;
        isKnown = false;
        registerIfDue();
      }
      if (isReported || (knownBy !== undefined && now() < knownBy)) return;
      isReported = true;
      onMissing(why);
    },
    async stop() {
      await lastRegistration;
    },
  };
}

function attributesOf(values: Searchable): TypedSearchAttributes {
  const names = Object.keys(KEYS) as (keyof typeof KEYS)[];
  return new TypedSearchAttributes(names.map((name) => ({ key: KEYS[name], value: values[name] })));
}

/**
 * Registers the missing attributes with the namespace.
 *
 * @returns how many attributes were missing
 * @throws if Temporal is unreachable or refuses the registration (a managed service requires its own tool for
 *   it)
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
    // Another worker has registered them at the same time.
    if (grpcCodeOf(error) !== GRPC.ALREADY_EXISTS) throw error;
  });
  return missing.length;
}
