export { type BinaryOptions, temporalBinary, timeSkippingBinary } from "./find-binary.ts";
export { settingArgs, TEMPORAL_SETTINGS } from "./settings.ts";
