import { DeliveryState } from "@posthaste/contracts/delivery";
import { expect, test } from "vitest";
import { DELIVERY_STATES, deliveryStatus, stateName } from "./delivery-status.ts";

test("a state's name holds the name of each of its rows", () => {
  for (const state of DELIVERY_STATES) {
    for (const attempts of [0, 3]) {
      expect(stateName(state).toLowerCase()).toContain(deliveryStatus(state, attempts).name.toLowerCase());
    }
  }
  expect(stateName(DeliveryState.STARTED)).toBe("In progress or retrying");
});

test("a started delivery is retrying once an attempt has failed, and a pending one is pending", () => {
  expect(deliveryStatus(DeliveryState.STARTED, 0).name).toBe("In progress");
  expect(deliveryStatus(DeliveryState.STARTED, 1).name).toBe("Retrying");
  expect(deliveryStatus(DeliveryState.PENDING, 1).name).toBe("Pending");
});

test("a filter offers any state first", () => {
  expect(DELIVERY_STATES[0]).toBe(DeliveryState.UNSPECIFIED);
  expect(DELIVERY_STATES).toHaveLength(8);
});
