import {
  connectTemporal,
  DELIVER_WORKFLOW,
  inspectDelivery,
  namesOf,
  type Temporal,
} from "@posthaste/delivery/client";
import { type DeliveryId, MINUTE_MS } from "@posthaste/domain";
import type { Stack } from "@posthaste/stack";
import { poll } from "@posthaste/testkit";
import type { OpenWorkflow } from "./checks/facts.ts";
import { neverEnds } from "./checks/workflows.ts";

const OPEN_DELIVERIES = `WorkflowType = "${DELIVER_WORKFLOW}" AND ExecutionStatus = "Running"`;
/** Open workflows that are listed: a run of an hour leaves about 15,000 deliveries that wait for a retry. */
const LISTED_MAX = 20_000;
const PAGE_SIZE = 1_000;
/** Deliveries in a statement. */
const LOOKED_UP_AT_ONCE = 500;
/** Workflows that Temporal is asked about at once. */
const INSPECTED_AT_ONCE = 10;
/**
 * How long the end of a delivery's workflow may take after that of the delivery: a task or a heartbeat that
 * was lost is missed after 30 s at most, then the workflow pauses for up to a minute.
 */
const ENDED_WITHIN_MS = 2 * MINUTE_MS;
const POLL_EVERY_MS = 2_000;

/**
 * Asks Temporal which workflows are open although their deliveries have ended or are gone. Waits for those to
 * end that wait for no time, for two minutes at most: those that are left were there all the time.
 *
 * @throws if Temporal does not answer until then, or lists too many
 */
export async function workflowsOfEnded(stack: Stack): Promise<readonly OpenWorkflow[]> {
  const client = connectTemporal({ connectionOptions: { address: stack.temporalAddress } });
  const temporal = { client, names: namesOf(stack.installation) };
  const look = () => lookAt(stack, temporal);
  try {
    let left: readonly OpenWorkflow[] | undefined;
    await poll(
      async () => {
        // Temporal may still be busy with what has waited for it.
        const found = await look().catch(() => undefined);
        const before = new Set(left?.filter(neverEnds).map(({ deliveryId }) => deliveryId));
        const isNew = (one: OpenWorkflow) => left !== undefined && !before.has(one.deliveryId);
        left = found?.filter((one) => !neverEnds(one) || !isNew(one)) ?? left;
        return left !== undefined && !left.some(neverEnds);
      },
      { withinMs: ENDED_WITHIN_MS, everyMs: POLL_EVERY_MS },
    );
    return left ?? (await look());
  } finally {
    await client.connection.close();
  }
}

async function lookAt({ store }: Stack, temporal: Temporal): Promise<OpenWorkflow[]> {
  const { client, names } = temporal;
  const prefix = names.delivery("" as DeliveryId);
  const ids: DeliveryId[] = [];
  for await (const { workflowId } of client.workflow.list({ query: OPEN_DELIVERIES, pageSize: PAGE_SIZE })) {
    ids.push(workflowId.slice(prefix.length) as DeliveryId);
    if (ids.length > LISTED_MAX) throw new Error(`more than ${LISTED_MAX} workflows are open`);
  }
  const open = new Set<string>();
  for (const some of inGroups(ids, LOOKED_UP_AT_ONCE)) {
    const rows = await store.db
      .selectFrom("deliveries")
      .select("id")
      .where("id", "in", some)
      .where("state", "in", ["pending", "started", "parked"])
      .execute();
    for (const { id } of rows) open.add(id);
  }
  const ended = ids.filter((id) => !open.has(id));
  const left: OpenWorkflow[] = [];
  for (const some of inGroups(ended, INSPECTED_AT_ONCE)) {
    const standings = await Promise.all(some.map((id) => inspectDelivery(temporal, id)));
    left.push(
      ...some.flatMap((deliveryId, i) => {
        const standing = standings[i];
        // The list is a moment behind.
        return standing === undefined || standing.kind === "gone" ? [] : [{ deliveryId, standing }];
      }),
    );
  }
  return left;
}

function inGroups<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}
