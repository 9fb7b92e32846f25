import { expect, test } from "vitest";
import { workflowUrl } from "./workflow-url.ts";

test("the page of a workflow has its whole id, slashes included", () => {
  const ui = new URL("https://temporal.example/ui/");
  expect(workflowUrl(ui, "team a", "b2c3d4f5/delivery/dlv_1")).toBe(
    "https://temporal.example/ui/namespaces/team%20a/workflows/b2c3d4f5%2Fdelivery%2Fdlv_1",
  );
  expect(workflowUrl(null, "default", "b2c3d4f5/delivery/dlv_1")).toBe("");
});
