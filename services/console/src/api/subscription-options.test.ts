import { create } from "@bufbuild/protobuf";
import { SubscriptionSchema } from "@posthaste/contracts/subscription";
import { expect, test } from "vitest";
import { subscriptionOptions } from "./subscription-options.ts";

const subscription = (id: number, targetUrl: string, description = "") =>
  create(SubscriptionSchema, { id, targetUrl, description });

test("subscriptions with the same URL are told apart, in the list and once chosen", () => {
  const options = subscriptionOptions([
    subscription(1, "https://a.example/in", "Ledger"),
    subscription(2, "https://a.example/in"),
    subscription(3, "https://b.example/in"),
  ]);
  expect(options).toEqual([
    { id: "1", name: "a.example/in (ID 1)", about: "ID 1, Ledger" },
    { id: "2", name: "a.example/in (ID 2)", about: "ID 2" },
    { id: "3", name: "b.example/in", about: "ID 3" },
  ]);
});
