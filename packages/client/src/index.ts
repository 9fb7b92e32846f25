export { createPosthasteClient, type PosthasteClient, type PosthasteClientOptions } from "./create-client.ts";
