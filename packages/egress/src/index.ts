export {
  createEgress,
  type Egress,
  type EgressOptions,
  type PostRequest,
  type PostResult,
} from "./egress.ts";
export { lookupsWith } from "./limits.ts";
