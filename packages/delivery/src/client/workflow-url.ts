import type { DeliveryId } from "@posthaste/domain";
import { workflowIdOf } from "../names.ts";

/** Returns the URL of a delivery's page in Temporal's UI; empty if the UI's address is not configured. */
export function workflowUrl(ui: URL | null, namespace: string, id: DeliveryId): string {
  if (ui === null) return "";
  const path = `namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowIdOf(id))}`;
  return `${ui.href.replace(/\/$/, "")}/${path}`;
}
