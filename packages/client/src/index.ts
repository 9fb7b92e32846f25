export { createPosthasteClient, type PosthasteClient, type PosthasteClientOptions } from "./create-client.ts";
export type { EventToSend, IngestOutcome, IngestStreamOptions } from "./ingest-stream.ts";
