/** What a command needs cannot be had; the message is one line for a person. */
export class StartError extends Error {
  /** @override */
  name = "StartError";
}
