export { type BinaryOptions, temporalBinary, timeSkippingBinary } from "./find-binary.ts";
