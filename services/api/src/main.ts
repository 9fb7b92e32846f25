import { refuseUnsupportedNode } from "@posthaste/runtime/supported-node";

// First and alone: the service imports what an old Node does not have.
refuseUnsupportedNode();
await import("./service.ts");
