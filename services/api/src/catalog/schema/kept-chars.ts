/**
 * Total length of the texts of the schemas that are kept in memory, and that one call may need. A compiled
 * schema takes about 20 times the memory of its text.
 */
export const KEPT_CHARS_MAX = 2 * 1024 * 1024;
/** Characters counted for each schema in addition to its text. */
export const EACH_CHARS = 1_024;
