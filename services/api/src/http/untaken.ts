import type { AccountId } from "@posthaste/domain";
import type { FastifyInstance } from "fastify";
import { UNTAKEN_CHECK_MS } from "./limits.ts";
import type { RequestLine } from "./request-line.ts";
import { cutOff, type Response } from "./unproven.ts";

/** An answer of which bytes wait for its caller to take them. */
type Untaken = { readonly response: Response; readonly bytes: number };

/**
 * Bounds the bytes of all answers that wait for their callers to take them: whoever asks for much and reads
 * nothing would fill the memory. Beyond the bound, the caller with the most loses the one that has waited
 * longest, which is cut off.
 *
 * A caller is an account, or all together that no account answers for.
 *
 * @returns counts the bytes
 */
export function boundUntaken(app: FastifyInstance, bytesMax: number): () => number {
  const inFlight = new Map<Response, RequestLine>();
  /** Those that waited at the last check, the one that has waited longest first. */
  const waiting = new Set<Response>();
  app.addHook("onRequest", async ({ line }, { raw: response }) => {
    inFlight.set(response, line);
    line.whenOver(() => {
      inFlight.delete(response);
      waiting.delete(response);
    });
  });
  const check = () => {
    for (const response of inFlight.keys()) {
      if (response.writableLength === 0) waiting.delete(response);
      else waiting.add(response);
    }
    const callers = new Map<AccountId | undefined, Untaken[]>();
    for (const response of waiting) {
      const caller = inFlight.get(response)?.accountId;
      const answers = callers.get(caller) ?? [];
      callers.set(caller, answers);
      answers.push({ response, bytes: response.writableLength });
    }
    for (const { response } of beyond(bytesMax, [...callers.values()])) cutOff(response);
  };
  const checking = setInterval(check, UNTAKEN_CHECK_MS).unref();
  app.addHook("onClose", async () => clearInterval(checking));
  return () => sumOf([...inFlight.keys()].map(({ writableLength: bytes }) => ({ bytes })));
}

/** Returns the answers that have to go. @param callers the answers of each, the oldest first */
function beyond(bytesMax: number, callers: readonly Untaken[][]): readonly Untaken[] {
  const held = callers.map((answers) => ({ answers, bytes: sumOf(answers) }));
  const gone: Untaken[] = [];
  for (let all = sumOf(held); all > bytesMax; ) {
    const most = held.reduce((one, other) => (other.bytes > one.bytes ? other : one));
    const oldest = most.answers.shift();
    if (oldest === undefined) break;
    most.bytes -= oldest.bytes;
    all -= oldest.bytes;
    gone.push(oldest);
  }
  return gone;
}

function sumOf(parts: Iterable<{ readonly bytes: number }>): number {
  let sum = 0;
  for (const { bytes } of parts) sum += bytes;
  return sum;
}
