import { refuseUnsupportedNode } from "@posthaste/runtime/supported-node";

// Must run before the service is imported: its imports fail on an old Node.
refuseUnsupportedNode();
await import("./service.ts");
