import { permitsAddress } from "@posthaste/domain";
import { readConfig } from "@posthaste/runtime";
import { expect, test } from "vitest";
import { EGRESS_SETTINGS, egressRules } from "./egress-settings.ts";

const rulesOf = (env: Readonly<Record<string, string>>) => egressRules(readConfig(EGRESS_SETTINGS, env));

test.each([
  ["unset", {}],
  ["empty", { POSTHASTE_EGRESS_ALLOW: "", POSTHASTE_EGRESS_DENY: "" }],
])("settings that are %s allow nothing and deny the clouds' platform addresses", (_what, env) => {
  const rules = rulesOf(env);
  expect(["8.8.8.8", "127.0.0.1", "168.63.129.16"].map((text) => permitsAddress(rules, text))).toEqual([
    true,
    false,
    false,
  ]);
});

test("a platform address stays denied if its network is allowed, until the operator takes it off the list", () => {
  const env = { POSTHASTE_EGRESS_ALLOW: "100.64.0.0/10" };
  expect(permitsAddress(rulesOf(env), "100.100.100.200")).toBe(false);
  expect(permitsAddress(rulesOf(env), "100.100.100.201")).toBe(true);
  expect(permitsAddress(rulesOf({ ...env, POSTHASTE_EGRESS_DENY: "none" }), "100.100.100.200")).toBe(true);
});
