import "@posthaste/runtime/keep-proto-members";
import { refuseUnsupportedNode } from "@posthaste/runtime/supported-node";

// Both run before the service is imported: its imports need modules that an old Node lacks, and may warn.
refuseUnsupportedNode();
const { logStrayOutput } = await import("@posthaste/runtime/stray-output");
logStrayOutput("worker");
await import("./service.ts");
