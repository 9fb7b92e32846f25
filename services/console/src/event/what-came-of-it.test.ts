import { DeliveryState } from "@posthaste/contracts/delivery";
import { expect, test } from "vitest";
import { sumUp, traceIdOf } from "./what-came-of-it.ts";

const { STARTED, SUCCEEDED } = DeliveryState;

test("deliveries are summed up by what their rows say", () => {
  const some = [
    { state: STARTED, attempts: 0, test: false },
    { state: SUCCEEDED, attempts: 1, test: false },
    { state: STARTED, attempts: 2, test: false },
    { state: SUCCEEDED, attempts: 3, test: false },
  ];
  expect(sumUp(some)).toBe("2 succeeded, 1 in progress, 1 retrying");
  expect(sumUp([])).toBe("none");
});

test("a trace is found in its context, and nowhere else", () => {
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  expect(traceIdOf(`00-${trace}-00f067aa0ba902b7-01`)).toBe(trace);
  expect(traceIdOf("")).toBeUndefined();
  expect(traceIdOf("nonsense")).toBeUndefined();
});
