export { RESPONSE_BODY_BYTES_MAX } from "./answer.ts";
export { RESPONSE_HEADERS_BYTES_MAX } from "./connection.ts";
export {
  createEgress,
  type Egress,
  type EgressOptions,
  type PostRequest,
  type PostResult,
} from "./egress.ts";
export { lookupsWith } from "./limits.ts";
