import { createTestStore } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { createAccount } from "../../accounts/accounts.ts";

test.each(["sqlite", "mysql"] as const)("an empty list holds nothing, on %s", async (backend) => {
  const { store, dispose } = await createTestStore(backend);
  const accounts = store.db.selectFrom("accounts").select("id");
  const some = [{ id: (await createAccount(store, { name: "first", now: 1 })).id }];
  expect(await accounts.where("id", "in", []).execute()).toEqual([]);
  expect(await accounts.where("id", "not in", []).execute()).toEqual(some);
  const both = accounts.where((eb) => eb.or([eb("id", "in", []), eb("id", ">", 0 as never)]));
  expect(await both.execute()).toEqual(some);
  await dispose();
});
