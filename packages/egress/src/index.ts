export {
  createEgress,
  type Egress,
  type EgressOptions,
  type PostRequest,
  type PostResult,
} from "./egress.ts";
