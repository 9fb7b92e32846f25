import { Complaint } from "@posthaste/runtime/terminal";
import { poll } from "@posthaste/testkit";

/** The server may still be starting. */
const ANSWERS_WITHIN_MS = 5_000;
/** The limit for one answer, because a port may accept connections but never answer. */
const ANSWER_MS = 2_000;
/** Keeps the complaint to about one line. */
const REASON_CHARS_MAX = 160;

/**
 * Waits up to 5 s for an answer of the Temporal server at TEMPORAL_ADDRESS, and checks that it has the
 * namespace. Without this check the services would wait much longer and fail with long logs.
 *
 * @throws Complaint if no Temporal server answers, or if it lacks the namespace; StartError if a setting is
 *   malformed
 */
export async function requireTemporal(address: string, signal: AbortSignal): Promise<void> {
  // Imported only here, because the SDK loads slowly and most runs start their own server.
  const delivery = await import("@posthaste/delivery/client");
  const { askTemporal, connectTemporal, GRPC, grpcCodeOf, NoNamespace, requireNamespace } = delivery;
  const client = connectTemporal(delivery.temporalOptions());
  let why = "";
  const answers = async () => {
    try {
      await askTemporal(client, ANSWER_MS);
      return true;
    } catch (error) {
      const isLate = grpcCodeOf(error) === GRPC.DEADLINE_EXCEEDED;
      why = isLate ? `no answer within ${ANSWER_MS / 1000} s` : reasonFor(error);
      return false;
    }
  };
  try {
    if (await poll(answers, { withinMs: ANSWERS_WITHIN_MS, signal })) {
      await requireNamespace(client).catch((error: unknown) => {
        // Whatever else it is, the worker meets it too, and tries again.
        if (error instanceof NoNamespace) throw new Complaint(error.message);
      });
      return;
    }
    why = (await delivery.whyUnreachable(client)) ?? why;
  } finally {
    await client.connection.close();
  }
  throw new Complaint(
    `no Temporal server answers at TEMPORAL_ADDRESS ${address} (${why}): start that server, or unset the variable`,
  );
}

/** Returns the first line of gRPC's message, without the characters that may garble a terminal. */
function reasonFor(error: unknown): string {
  const words = error instanceof Error ? error.message : String(error);
  const line = words.split("\n")[0] ?? "";
  return line.replaceAll(/[\p{Cc}\p{Cf}]/gu, "").slice(0, REASON_CHARS_MAX);
}
