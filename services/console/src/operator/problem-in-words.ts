const WORDS: Readonly<Record<string, string>> = {
  full: "Its disk is full",
  read_only: "Takes no writes",
  refused: "Turns deliveries away",
  silent: "Does not answer in time",
  unreachable: "Cannot be reached",
  failing: "Answers with errors",
  no_namespace: "Its namespace is missing",
};

/** Says why a database or Temporal does not answer as it should. */
export function problemInWords(problem: string): string {
  return WORDS[problem] ?? `Does not work (${problem})`;
}
