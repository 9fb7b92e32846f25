import { type DeliverySetup, setupDelivery } from "@posthaste/testkit/delivery";
import { type Client, WorkflowNotFoundError } from "@temporalio/client";
import {
  defineSearchAttributeKey,
  NamespaceNotFoundError,
  SearchAttributeType,
  TypedSearchAttributes,
} from "@temporalio/common";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GRPC, grpcCodeOf } from "../src/client/grpc-code.ts";
import { connectTemporal } from "../src/client/index.ts";
import { clientOn } from "../src/worker/index.ts";

/* The SDK puts the server's status in different places, depending on the call and the connection. */

let t: DeliverySetup;
let clients: Readonly<Record<"client" | "worker", Client>>;
beforeAll(async () => {
  t = await setupDelivery("dev-server");
  clients = {
    client: connectTemporal({ connectionOptions: { address: t.env.address } }),
    worker: clientOn(t.env.nativeConnection, "default"),
  };
});
afterAll(async () => {
  await clients.client.connection.close();
  await t.dispose();
});

const thrownBy = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => expect.fail("nothing was thrown"),
    (error: unknown) => error,
  );
const options = (workflowId: string) => ({ workflowId, taskQueue: "nobody" });
const unknownAttribute = new TypedSearchAttributes([
  { key: defineSearchAttributeKey("NobodyKnowsIt", SearchAttributeType.KEYWORD), value: "x" },
]);
const nobody = { namespace: "default", execution: { workflowId: "nobody" }, type: "attemptDelivery" };

describe.each(["client", "worker"] as const)("on the connection of a %s", (kind) => {
  test("a refused start has its gRPC code", async () => {
    const { workflow } = clients[kind];
    const start = workflow.start("any", { ...options("a"), typedSearchAttributes: unknownAttribute });
    expect(grpcCodeOf(await thrownBy(start))).toBe(GRPC.INVALID_ARGUMENT);
  });

  test("a refused raw call has its gRPC code", async () => {
    const { workflowService, connection } = clients[kind];
    const { operatorService } = connection;
    const errors = await Promise.all([
      thrownBy(workflowService.pauseActivity(nobody)),
      thrownBy(operatorService.listSearchAttributes({ namespace: "nowhere" })),
    ]);
    expect(errors.map(grpcCodeOf)).toEqual([GRPC.NOT_FOUND, GRPC.NOT_FOUND]);
  });

  test("a call past its deadline has its gRPC code", async () => {
    const client = clients[kind];
    const start = client.withDeadline(Date.now() - 1, () => client.workflow.start("any", options("b")));
    // On a worker's connection, the code depends on whether the SDK or the server notices first.
    expect([GRPC.DEADLINE_EXCEEDED, GRPC.CANCELLED]).toContain(grpcCodeOf(await thrownBy(start)));
  });

  test("an error with its own SDK class has no gRPC code", async () => {
    const handle = clients[kind].workflow.getHandle("nobody");
    for (const error of await Promise.all([thrownBy(handle.describe()), thrownBy(handle.signal("any"))])) {
      expect(error).toBeInstanceOf(WorkflowNotFoundError);
      expect(grpcCodeOf(error)).toBeUndefined();
    }
  });
});

test("a missing namespace is not mistaken for a missing workflow", async () => {
  const client = connectTemporal({ connectionOptions: { address: t.env.address }, namespace: "nowhere" });
  const errors = await Promise.all([
    thrownBy(client.workflow.start("any", options("c"))),
    thrownBy(client.workflow.getHandle("c").describe()),
  ]);
  for (const error of errors) expect(error).toBeInstanceOf(NamespaceNotFoundError);
  await client.connection.close();
});
