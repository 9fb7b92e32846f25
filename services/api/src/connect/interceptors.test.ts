import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { Refusal } from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { answer } from "./interceptors.ts";

let database: TestStore;
beforeEach(async () => {
  database = await createTestStore("sqlite");
});
afterEach(() => database.dispose());

/** Returns what a caller sees of a stream that yields one item and then throws. */
async function endOf(thrown: unknown): Promise<{ items: number[]; error: unknown }> {
  async function* message() {
    yield 1;
    throw thrown;
  }
  const deps = { store: database.store, reportFault: () => {} };
  const request = { contextValues: createContextValues() };
  const response = await answer(deps)((async () => ({ stream: true, message: message() })) as never)(
    request as never,
  );
  const items: number[] = [];
  try {
    for await (const item of response.message as AsyncIterable<unknown>) items.push(item as number);
  } catch (error) {
    return { items, error };
  }
  throw new Error("the stream ended without an error");
}

test("a refusal after a stream's first item reaches the caller with its code and message", async () => {
  const { items, error } = await endOf(new Refusal("too_many", "wait", { retryAfterMs: 1_500 }));
  expect(items).toEqual([1]);
  expect(error).toBeInstanceOf(ConnectError);
  expect(error).toMatchObject({ code: Code.ResourceExhausted, rawMessage: "wait" });
  expect((error as ConnectError).metadata.get("retry-after")).toBe("2");
});

test("a fault after a stream's first item reaches the caller without its message", async () => {
  const { error } = await endOf(new Error("hush: select secret from x"));
  expect(error).toMatchObject({ code: Code.Internal, rawMessage: "internal error" });
});
