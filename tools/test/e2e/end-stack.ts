import { earlyInLog, type Stack } from "@posthaste/stack";
import { expect } from "vitest";

const ended = new WeakSet<Stack>();

/**
 * Ends a stack, whatever its log says, and then holds it to this: no retry was made before its time.
 *
 * @param stack undefined, or one of before, where this test's did not come to be: what kept it is the error to be seen
 * @param askedFor deliveries of which a test asked for a retry
 */
export async function endStack(stack: Stack | undefined, askedFor?: ReadonlySet<string>): Promise<void> {
  if (stack === undefined || ended.has(stack)) return;
  ended.add(stack);
  const early = await earlyInLog(stack, askedFor).finally(() => stack.dispose());
  expect(early).toEqual([]);
}
