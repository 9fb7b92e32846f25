import { create } from "@bufbuild/protobuf";
import { SubscriptionSchema } from "@posthaste/contracts/subscription";
import { expect, test } from "vitest";
import { metadataOf, NO_OPTIONS, newSecretOf, optionsOf, problemOfOptions } from "./more-options.ts";
import { newRow } from "./named-values.ts";

test("a subscription's options are those that the form sends again", () => {
  const options = optionsOf(
    create(SubscriptionSchema, {
      headerNames: ["x-a"],
      metadata: { team: "a" },
      rateLimit: { perSecond: 2.5, burst: 10 },
    }),
  );
  expect(options.burst).toBe("10");
  expect(options.headers).toMatchObject([{ name: "x-a", value: "", isStored: true }]);
  expect(metadataOf(options)).toEqual({ values: { team: "a" } });
});

test("the default burst is left empty, so that another rate gets its own default", () => {
  expect(optionsOf(create(SubscriptionSchema, { rateLimit: { perSecond: 2.5, burst: 3 } })).burst).toBe("");
  expect(optionsOf(create(SubscriptionSchema, {})).burst).toBe("");
});

test("the credential stays unless one is typed or it is to be removed", () => {
  expect(newSecretOf("", NO_OPTIONS)).toBeUndefined();
  expect(newSecretOf("a", NO_OPTIONS)).toBe("a");
  expect(newSecretOf("", { ...NO_OPTIONS, removesSecret: true })).toBe("");
});

test.each([
  [{ burst: "1001" }, "burst"],
  [{ burst: "1.5" }, "burst"],
  [{ burst: "many" }, "burst"],
  [{ headers: [newRow("X-A", "1"), newRow("x-a", "2")] }, "header x-a is there twice"],
  [{ metadata: [newRow("", "1")] }, "name of the entry"],
])("the options %o have a problem", (over, words) => {
  expect(problemOfOptions(NO_OPTIONS)).toBe("");
  expect(problemOfOptions({ ...NO_OPTIONS, ...over })).toContain(words);
});
