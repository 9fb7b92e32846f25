import { refuseUnsupportedNode } from "@posthaste/runtime/supported-node";

// Both run before the service is imported: its imports need modules that an old Node lacks, and may warn.
refuseUnsupportedNode();
const { importService } = await import("@posthaste/runtime/import-service");
await importService("api", () => import("./service.ts"));
