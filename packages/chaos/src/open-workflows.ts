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
 * How long one that never ends must have been there at the last look. The attempt of a retry that has come
 * due meanwhile finds within seconds that the delivery has ended.
 */
const THERE_FOR_MS = MINUTE_MS;

/**
 * Asks Temporal which workflows are open although their deliveries have ended or are gone. Waits for those to
 * end that wait for no time, for two minutes after Temporal's first answer at most: those of them that are
 * left were there for the last minute.
 *
 * @throws if Temporal does not answer within two minutes, or lists too many
 */
export async function workflowsOfEnded(stack: Stack): Promise<readonly OpenWorkflow[]> {
  const client = connectTemporal({ connectionOptions: { address: stack.temporalAddress } });
  const temporal = { client, names: namesOf(stack.installation) };
  const look = async (before?: Watched) => saw(await lookAt(stack, temporal), Date.now(), before);
  const polling = { withinMs: ENDED_WITHIN_MS, everyMs: POLL_EVERY_MS };
  let watched: Watched | undefined;
  const lookAgain = async () => {
    // Temporal may still be busy with what has waited for it.
    watched = await look(watched).catch(() => watched);
    return watched;
  };
  try {
    // The time begins with the first answer: what was seen for a moment only would not be reported.
    await poll(async () => (await lookAgain()) !== undefined, polling);
    watched ??= await look();
    if (watched.since.size === 0) return leftOf(watched);
    await poll(async () => (await lookAgain())?.since.size === 0, polling);
    // Once more, in case that Temporal has not answered since the first look.
    return leftOf(await look(watched));
  } finally {
    await client.connection.close();
  }
}

/** The open workflows at the latest look, and since when those have been there that never end. */
export type Watched = {
  readonly at: number;
  readonly open: readonly OpenWorkflow[];
  /** By delivery. */
  readonly since: ReadonlyMap<string, number>;
};

/** Returns what is known after another look. */
export function saw(open: readonly OpenWorkflow[], at: number, before: Watched | undefined): Watched {
  const since = open
    .filter(neverEnds)
    .map(({ deliveryId: id }) => [id, before?.since.get(id) ?? at] as const);
  return { at, open, since: new Map(since) };
}

/** Returns the open workflows, without those that never end but have not been there for long. */
export function leftOf({ at, open, since }: Watched): OpenWorkflow[] {
  return open.filter(({ deliveryId }) => {
    const from = since.get(deliveryId);
    return from === undefined || from <= at - THERE_FOR_MS;
  });
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
