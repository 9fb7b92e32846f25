/** Returns the URL of a workflow's page in Temporal's UI; empty if the UI's address is not configured. */
export function workflowUrl(ui: URL | null, namespace: string, workflowId: string): string {
  if (ui === null) return "";
  const path = `namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}`;
  return `${ui.href.replace(/\/$/, "")}/${path}`;
}
