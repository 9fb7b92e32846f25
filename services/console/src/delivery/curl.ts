import type { Attempt } from "@posthaste/contracts/delivery";

/** What the attempt log has in place of a value that it does not store. */
const REDACTED = "[redacted]";

export type CurlCommand = {
  readonly command: string;
  /** The names of the headers that were sent and are left out, because their values are not stored. */
  readonly leftOut: readonly string[];
};

/**
 * Returns the command that sends an attempt's request again, for a POSIX shell such as bash or zsh, or for
 * fish. It has no comments: the default shell of macOS does not know them at its prompt.
 */
export function curlOf(
  { targetUrl, requestHeaders }: Pick<Attempt, "targetUrl" | "requestHeaders">,
  body: string,
): CurlCommand {
  // curl would take brackets and braces for a list of URLs.
  const isLiteral = /[[\]{}]/.test(targetUrl) ? " --globoff" : "";
  const shown = requestHeaders.filter(({ value }) => value !== REDACTED);
  const parts = [
    `curl -X POST${isLiteral} ${quoted(targetUrl)}`,
    // A colon and nothing would leave the header out.
    ...shown.map(({ name, value }) => `-H ${quoted(value === "" ? `${name};` : `${name}: ${value}`)}`),
    // Unlike --data, it takes a leading @ as it is.
    `--data-raw ${quoted(body)}`,
  ];
  return {
    command: parts.join(" \\\n  "),
    leftOut: requestHeaders.filter(({ value }) => value === REDACTED).map(({ name }) => name),
  };
}

/**
 * Quotes a word for a POSIX shell and for fish. Between single quotes, everything but those is literal. To
 * fish, a backslash before another one or before a quote is not, so it stands outside of the quotes.
 */
function quoted(text: string): string {
  const inside = text.replaceAll(/\\(?=[\\']|$)|'/g, (char) => `'\\${char}'`);
  return `'${inside}'`;
}
