/** The colour that tells how something does. */
export type Tone = "green" | "red" | "amber" | "blue" | "grey";
