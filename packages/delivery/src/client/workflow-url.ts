import type { DeliveryId } from "@posthaste/domain";
import { workflowIdOf } from "../names.ts";

/** A delivery's page in Temporal's UI; empty where nobody says where that is. */
export function workflowUrl(ui: URL | null, namespace: string, id: DeliveryId): string {
  if (ui === null) return "";
  const path = `namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowIdOf(id))}`;
  return `${ui.href.replace(/\/$/, "")}/${path}`;
}
