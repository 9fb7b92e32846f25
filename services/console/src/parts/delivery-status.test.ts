import { DeliveryState } from "@posthaste/contracts/delivery";
import { expect, test } from "vitest";
import { DELIVERY_STATES, deliveryStatus, stateName } from "./delivery-status.ts";

const nameOf = (state: DeliveryState, attempts: number, test = false) =>
  deliveryStatus({ state, attempts, test }).name;

test("a state's name holds the name of each of its rows", () => {
  for (const state of DELIVERY_STATES) {
    for (const attempts of [0, 3]) {
      for (const test of [false, true]) {
        const { name } = deliveryStatus({ state, attempts, test });
        expect(stateName(state).toLowerCase()).toContain(name.toLowerCase());
      }
    }
  }
  expect(stateName(DeliveryState.STARTED)).toBe("In progress or retrying");
});

test("a started delivery is retrying once an attempt has failed, and a pending one is pending", () => {
  expect(nameOf(DeliveryState.STARTED, 0)).toBe("In progress");
  expect(nameOf(DeliveryState.STARTED, 1)).toBe("Retrying");
  expect(nameOf(DeliveryState.PENDING, 1)).toBe("Pending");
});

test("a test event whose only attempt failed has failed, and exhausted no schedule", () => {
  expect(nameOf(DeliveryState.EXHAUSTED, 1, true)).toBe("Failed");
  expect(nameOf(DeliveryState.EXHAUSTED, 14)).toBe("Exhausted");
  expect(nameOf(DeliveryState.SUCCEEDED, 1, true)).toBe("Succeeded");
});

test("a filter offers any state first", () => {
  expect(DELIVERY_STATES[0]).toBe(DeliveryState.UNSPECIFIED);
  expect(DELIVERY_STATES).toHaveLength(8);
});
