import type { AccountId } from "@posthaste/domain";
import { listTokens } from "@posthaste/store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { statementsBeyondBounds } from "./bounded-statements.ts";
import { createTestStore, type TestStore } from "./test-store.ts";

const accountId = 1 as AccountId;
const ROWS = 2_049;

describe.each(["sqlite", "mysql"] as const)("a statement, on %s", (backend) => {
  let t: TestStore;
  beforeEach(async () => {
    t = await createTestStore(backend);
    const tokens = Array.from({ length: ROWS }, (_, i) => ({
      account_id: accountId,
      name: "x",
      secret_hash: Buffer.from(String(i).padStart(32)),
      hint: "",
      scopes: "",
      session: 0,
      created_at: 0,
    }));
    await t.store.db.insertInto("tokens").values(tokens).execute();
  });
  afterEach(() => t.dispose());

  test("of the product that returns more rows than the bound is reported with its caller", async () => {
    await listTokens(t.store, { accountId, limit: ROWS - 1 });
    expect(statementsBeyondBounds()).toEqual([]);
    await listTokens(t.store, { accountId, limit: ROWS });
    const [found, ...others] = statementsBeyondBounds();
    expect(found).toMatch(
      /^0 rows written, 2049 returned by \S*\/accounts\/tokens\.ts: select \* from "tokens"/,
    );
    expect(others).toEqual([]);
  });

  test("of a test is free", async () => {
    expect(await t.store.db.selectFrom("tokens").selectAll().execute()).toHaveLength(ROWS);
    await t.store.db.updateTable("tokens").set({ name: "y" }).execute();
    expect(statementsBeyondBounds()).toEqual([]);
  });
});
