import { refuseUnsupportedNode } from "@posthaste/runtime/supported-node";

// Runs before the service is imported: its imports need modules that an old Node lacks.
refuseUnsupportedNode();
await import("./service.ts");
