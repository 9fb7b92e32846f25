import { connectTemporal, namesOf } from "@posthaste/delivery/client";
import type { DeliveryId } from "@posthaste/domain";
import type { Stack } from "@posthaste/stack";

/** Ends a delivery's workflow behind the product's back, as a Temporal that lost its data would. */
export async function loseWorkflow(stack: Stack, id: string): Promise<void> {
  const { workflow, connection } = connectTemporal({ connectionOptions: { address: stack.temporalAddress } });
  await workflow.getHandle(namesOf(stack.installation).delivery(id as DeliveryId)).terminate("is lost");
  await connection.close();
}
