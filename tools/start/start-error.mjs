/** A prerequisite of a command is missing. The message is one line for the user. */
export class StartError extends Error {
  /** @override */
  name = "StartError";
}
