import { DeliveryService } from "@posthaste/contracts/delivery";
import type { Store } from "@posthaste/store";
import { expect, test, vi } from "vitest";
import { whileAllowed } from "./while-allowed.ts";

test("a database that is away does not end an open stream", async () => {
  vi.useFakeTimers();
  try {
    let looks = 0;
    const authenticate = async () => {
      looks += 1;
      throw new Error("the database is away");
    };
    async function* messages() {
      yield 1;
      await vi.advanceTimersByTimeAsync(10_000);
      yield 2;
    }
    const method = DeliveryService.method.watchDeliveries;
    const request = { stream: true, method, header: new Headers(), signal: new AbortController().signal };
    const response = await whileAllowed({ store: {} as Store, authenticate })((async () => ({
      stream: true,
      message: messages(),
    })) as never)(request as never);
    const seen: unknown[] = [];
    for await (const message of response.message as AsyncIterable<unknown>) seen.push(message);
    expect(seen).toEqual([1, 2]);
    expect(looks).toBeGreaterThan(5);
    // Nothing is looked up after the stream's end.
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
