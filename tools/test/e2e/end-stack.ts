import { earlyInLog, type Stack } from "@posthaste/stack";
import { expect } from "vitest";

const ended = new WeakSet<Stack>();

/**
 * Disposes a stack and then asserts that no retry was sent before its time.
 *
 * @param stack the stack; undefined or already ended if this test's stack could not be started, whose error
 *   must stay visible
 * @param askedFor deliveries for which a test requested a retry
 */
export async function endStack(stack: Stack | undefined, askedFor?: ReadonlySet<string>): Promise<void> {
  if (stack === undefined || ended.has(stack)) return;
  ended.add(stack);
  const early = await earlyInLog(stack, askedFor).finally(() => stack.dispose());
  expect(early).toEqual([]);
}
