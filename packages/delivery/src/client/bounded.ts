import { type Client, NamespaceNotFoundError } from "@temporalio/client";

/** The deadline of one call to Temporal, including the SDK's retries. */
const CALL_DEADLINE_MS = 5_000;

/** Temporal does not have the client's namespace. */
export class NoNamespace extends Error {
  override readonly name = "NoNamespace";
}

/**
 * Calls Temporal with a deadline of 5 s, so that a server that does not answer cannot block the caller.
 *
 * @throws NoNamespace, which names the setting, or the SDK's error
 */
export async function bounded<T>(client: Client, call: () => Promise<T>): Promise<T> {
  try {
    return await client.withDeadline(Date.now() + CALL_DEADLINE_MS, call);
  } catch (error) {
    throw error instanceof NamespaceNotFoundError ? noNamespace(client, error) : error;
  }
}

/** Explains to operators that Temporal does not have the client's namespace. */
export function noNamespace(client: Client, cause: unknown): NoNamespace {
  const name = JSON.stringify(client.options.namespace);
  const advice = "create it, or set TEMPORAL_NAMESPACE to one that exists";
  return new NoNamespace(`Temporal has no namespace ${name}: ${advice}`, { cause });
}
