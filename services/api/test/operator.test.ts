import { Code } from "@connectrpc/connect";
import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import { OperatorService } from "@posthaste/contracts/operator";
import { SCOPES, type SubscriptionId } from "@posthaste/domain";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let bench: Bench;
let admin: PosthasteClient;
beforeAll(async () => {
  bench = await startBench();
  const token = await bench.tokenWith(["admin"]);
  admin = createPosthasteClient({ baseUrl: bench.url, token });
});
afterAll(async () => {
  await admin?.close();
  await bench?.dispose();
});

describe("an operator", () => {
  test("sees whether the database and Temporal answer", async () => {
    expect(await admin.operator.getInstallation({})).toMatchObject({
      ...{ database: "sqlite", databaseProblem: "", temporalUiUrl: "https://temporal.example" },
    });
  });

  test("pages through all accounts and what is in each", async () => {
    const { account } = await admin.accounts.createAccount({ name: "Quill" });
    const names: string[] = [];
    let pageToken = "";
    do {
      const list = await admin.operator.listAccountStates({ pageSize: 1, pageToken });
      names.push(...list.accounts.map((state) => state.account?.name ?? ""));
      pageToken = list.nextPageToken;
    } while (pageToken !== "");
    expect(names).toContain("Quill");
    expect(new Set(names).size).toBe(names.length);
    expect(account?.id).toBeGreaterThan(0);
  });

  test("reads one account, and is told of one that is none", async () => {
    const { state } = await admin.operator.getAccountState({ accountId: bench.accountId });
    expect(state).toMatchObject({ account: { id: bench.accountId } });
    await expect(admin.operator.getAccountState({ accountId: 9_999 })).rejects.toMatchObject({
      code: Code.NotFound,
      message: expect.stringContaining("9999"),
    });
  });

  test("pages through the failing subscriptions of all accounts, with their owners", async () => {
    const { accountId, token } = await bench.accountWith(SCOPES.filter((scope) => scope !== "admin"));
    const other = createPosthasteClient({ baseUrl: bench.url, token });
    try {
      const failing: number[] = [];
      for (const [n, client] of [bench.client, other].entries()) {
        const { subscription } = await client.subscriptions.createSubscription({
          ...{ targetUrl: `https://receiver.example/${n}`, eventTypes: ["*"] },
        });
        failing.push(subscription?.id ?? 0);
      }
      for (const [n, id] of failing.entries()) {
        await bench.store.db
          .updateTable("subscriptions")
          .set({ failing_since: 1_000 + n })
          .where("id", "=", id as SubscriptionId)
          .execute();
      }
      const first = await admin.operator.listFailingSubscriptions({ pageSize: 1 });
      expect(first.subscriptions).toMatchObject([{ subscription: { id: failing[0] }, retrying: 0 }]);
      const { nextPageToken: pageToken } = first;
      const second = await admin.operator.listFailingSubscriptions({ pageSize: 1, pageToken });
      expect(second).toMatchObject({
        ...{ subscriptions: [{ subscription: { id: failing[1] }, accountId }], nextPageToken: "" },
      });
      const ofOther = await admin.operator.listFailingSubscriptions({ accountId });
      expect(ofOther.subscriptions).toHaveLength(1);
    } finally {
      await other.close();
    }
  });

  test("sees the unfinished recoveries of all accounts", async () => {
    await bench.client.deliveries.recoverDeliveries({ since: { seconds: 0n } });
    const { recoveries } = await admin.operator.listUnfinishedRecoveries({});
    expect(recoveries).toMatchObject([{ accountId: bench.accountId }]);
  });

  test.each(["not-a-token", Buffer.from('"1.x"').toString("base64url")])(
    "is told that the page token %j is none",
    async (pageToken) => {
      await expect(admin.operator.listFailingSubscriptions({ pageToken })).rejects.toMatchObject({
        code: Code.InvalidArgument,
      });
    },
  );
});

test.each(OperatorService.methods.map(({ name }) => name))(
  "%s is refused to a token without the scope admin",
  async (name) => {
    const answer = await bench.rpc(`OperatorService/${name}`, {});
    expect(answer).toMatchObject({ status: 403, body: { code: "permission_denied" } });
  },
);
