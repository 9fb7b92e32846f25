import type { Client } from "@temporalio/client";
import type { Names } from "../names.ts";

/** Temporal as one installation uses it. */
export type Temporal = {
  readonly client: Client;
  readonly names: Names;
};
