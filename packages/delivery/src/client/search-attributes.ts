import { type Client, isGrpcServiceError } from "@temporalio/client";
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from "@temporalio/common";
import { bounded } from "./bounded.ts";

/** What operators find a delivery by in Temporal's UI and CLI. Five of the ten keywords that SQL visibility has. */
const KEYS = {
  account: defineSearchAttributeKey("PosthasteAccount", SearchAttributeType.KEYWORD),
  subscription: defineSearchAttributeKey("PosthasteSubscription", SearchAttributeType.KEYWORD),
  eventType: defineSearchAttributeKey("PosthasteEventType", SearchAttributeType.KEYWORD),
  event: defineSearchAttributeKey("PosthasteEvent", SearchAttributeType.KEYWORD),
  host: defineSearchAttributeKey("PosthasteHost", SearchAttributeType.KEYWORD),
} as const;

const INDEXED_KEYWORD = 2;
/** gRPC: "there already". */
const ALREADY_EXISTS = 6;

export type Searchable = Readonly<Partial<Record<keyof typeof KEYS, string>>>;

export function searchAttributes(values: Searchable): TypedSearchAttributes {
  return new TypedSearchAttributes(
    (Object.keys(KEYS) as (keyof typeof KEYS)[]).flatMap((name) => {
      const value = values[name];
      return value === undefined ? [] : [{ key: KEYS[name], value }];
    }),
  );
}

/**
 * Registers the search attributes with the namespace; those that are there stay.
 *
 * @throws where Temporal is away, or does not let this client (a cloud wants its own tool for it)
 */
async function registerSearchAttributes(client: Client): Promise<void> {
  const { namespace } = client.options;
  const known = await bounded(client, () =>
    client.connection.operatorService.listSearchAttributes({ namespace }),
  );
  const missing = Object.values(KEYS).filter((key) => known.customAttributes?.[key.name] === undefined);
  if (missing.length === 0) return;
  const request = {
    namespace,
    searchAttributes: Object.fromEntries(missing.map((key) => [key.name, INDEXED_KEYWORD])),
  };
  await bounded(client, () => client.connection.operatorService.addSearchAttributes(request)).catch(
    (error: unknown) => {
      // Another worker was first.
      if (!isGrpcServiceError(error) || error.code !== ALREADY_EXISTS) throw error;
    },
  );
}

/** gRPC codes for "not now". */
const AWAY = new Set([4, 14]);

/**
 * Whether workflows can be given search attributes: registers them at the first question. Where that is refused they are
 * left out, which costs operators their filters and nothing else.
 *
 * @returns a function that throws while Temporal is away
 */
export function createSearchability(
  client: Client,
  onRefused: (error: unknown) => void,
): () => Promise<boolean> {
  let known: boolean | undefined;
  return async () => {
    if (known !== undefined) return known;
    try {
      await registerSearchAttributes(client);
      known = true;
    } catch (error) {
      if (isGrpcServiceError(error) && AWAY.has(error.code)) throw error;
      onRefused(error);
      known = false;
    }
    return known;
  };
}
