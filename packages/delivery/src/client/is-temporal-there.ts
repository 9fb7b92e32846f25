import type { Client } from "@temporalio/client";
import { GRPC, grpcCodeOf } from "./grpc-code.ts";
import { whyUnreachable } from "./unreachable.ts";

/** A server that takes longer counts as unreachable: probes call every few seconds. */
const ANSWER_WITHIN_MS = 1_000;

/**
 * Why Temporal is unavailable: it has no such namespace; it turns this client away; it does not answer in
 * time; or it cannot be reached, or answers with another error.
 */
export type TemporalAwayReason = "no_namespace" | "refused" | "silent" | "unreachable";

/**
 * Returns why Temporal is unavailable, or undefined if it answers within a second, and has the namespace.
 * Takes up to half a second more to tell a server that is silent from one that cannot be reached.
 */
export async function whyTemporalAway(client: Client): Promise<TemporalAwayReason | undefined> {
  const reason = await describe(client).then(() => undefined, reasonOf);
  if (reason !== "silent") return reason;
  return (await whyUnreachable(client)) === undefined ? "silent" : "unreachable";
}

function reasonOf(error: unknown): TemporalAwayReason {
  switch (grpcCodeOf(error)) {
    case GRPC.NOT_FOUND:
      return "no_namespace";
    case GRPC.PERMISSION_DENIED:
    case GRPC.UNAUTHENTICATED:
      return "refused";
    case GRPC.DEADLINE_EXCEEDED:
    case GRPC.CANCELLED:
      return "silent";
    default:
      return "unreachable";
  }
}

/** Returns whether Temporal answers within a second, and has the namespace. */
export async function isTemporalThere(client: Client): Promise<boolean> {
  return await describe(client).then(
    () => true,
    () => false,
  );
}

async function describe(client: Client): Promise<void> {
  const { namespace } = client.options;
  const ask = () => client.workflowService.describeNamespace({ namespace });
  await client.withDeadline(Date.now() + ANSWER_WITHIN_MS, ask);
}

/**
 * Calls the server, to find out whether it answers, whatever namespaces it has.
 *
 * @throws the SDK's error if there is no answer within that time
 */
export async function askTemporal(client: Client, withinMs: number): Promise<void> {
  await client.withDeadline(Date.now() + withinMs, () => client.workflowService.getSystemInfo({}));
}
