import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { SCOPES } from "@posthaste/domain";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SERVICES } from "../../src/connect/access.ts";
import { startBench } from "../fixture.ts";
import { CHANGES, call, HUSH, UNAUDITED, type World } from "./changes.ts";

/** Every RPC that is not free of side effects. */
const MUTATING = SERVICES.flatMap((service) =>
  service.methods
    .filter(({ idempotency }) => idempotency !== MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS)
    .map((method) => `${service.typeName}/${method.name}`),
);

test("every RPC that may change something is tried below, or is left out for a reason", () => {
  expect([...Object.keys(CHANGES), ...Object.keys(UNAUDITED)].sort()).toEqual(MUTATING.toSorted());
});

describe.each(["sqlite", "mysql"] as const)("the audit log, on %s", (database) => {
  let t: World;
  beforeAll(async () => {
    const bench = await startBench({ database });
    t = { ...bench, admin: await bench.tokenWith(SCOPES) };
  });
  afterAll(() => t.dispose());

  const entries = async (filter: object) =>
    (await call(t, "AccountService/ListAuditEntries", filter)).entries ?? [];
  const everything = async () =>
    JSON.stringify(await t.store.db.selectFrom("audit_entries").selectAll().execute());

  test.each(Object.entries(CHANGES))(
    "%s is entered with who called it, and without secrets",
    async (action, request) => {
      const body = await request(t);
      const before = (await entries({ action })).length;
      const answer = await call(t, action.replace("posthaste.v1.", ""), body);
      const made = await entries({ action });
      expect(made.length).toBeGreaterThan(before);
      const kind = action.endsWith("/OpenSession") ? "PORTAL_LINK" : "TOKEN";
      expect(made[0].actor).toMatchObject({
        kind: `AUDIT_ACTOR_KIND_${kind}`,
        ...(kind === "TOKEN"
          ? { accountId: t.accountId, tokenName: "test", tokenHint: t.admin.slice(0, 8) }
          : {}),
      });
      expect({ ...JSON.parse(made[0].afterJson ?? "{}") }).not.toEqual({});
      const log = await everything();
      expect(log).not.toContain(HUSH);
      for (const secret of secretsIn(answer)) expect(log).not.toContain(secret);
    },
  );

  test("holds no secret at all", async () => {
    expect(await everything()).not.toMatch(/hush|whsec_|whsk_|phl_|pht_\w{5}/);
  });
});

/** Returns the tokens, codes and signing secrets in an answer. */
function secretsIn(answer: object): string[] {
  return JSON.stringify(answer).match(/(?:whsec|pht|phl)_[\w+/=]+/g) ?? [];
}
