import { Refusal } from "./refusal.ts";

/** The longest target URL, in characters: what browsers, proxies and the published contract agree on. */
export const TARGET_URL_CHARS_MAX = 2048;

/**
 * Checks and normalises a target URL: absolute, `http` or `https`, no credentials, no fragment.
 * Returns it as the WHATWG URL standard writes it, so that two spellings of one URL are one.
 *
 * @throws Refusal `invalid`, or `unprocessable_url` for a well-formed URL that may not be called
 */
export function parseTargetUrl(text: string): string {
  const refuse = (code: "invalid" | "unprocessable_url", message: string) =>
    new Refusal(code, message, { field: "target_url" });
  if (text.length > TARGET_URL_CHARS_MAX) {
    throw refuse(
      "invalid",
      `target_url has ${text.length} characters; at most ${TARGET_URL_CHARS_MAX} are possible`,
    );
  }
  // The URL parser strips these silently, so the stored URL would not be the one that was sent.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u0020\u007f]/.test(text)) {
    throw refuse("invalid", "target_url contains white space or a control character; percent-encode it");
  }
  if (!URL.canParse(text)) {
    throw refuse(
      "invalid",
      "target_url is not an absolute URL; send one such as https://yoursite.com/yourpage",
    );
  }
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw refuse(
      "unprocessable_url",
      `target_url starts with ${url.protocol}; only https: and http: can be called`,
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw refuse(
      "unprocessable_url",
      "target_url contains credentials; send them as secret, which becomes the Authorization header",
    );
  }
  if (url.hash !== "" || text.includes("#")) {
    throw refuse("unprocessable_url", "target_url has a fragment (#…), which is never sent; leave it out");
  }
  if (url.href.length > TARGET_URL_CHARS_MAX) {
    throw refuse(
      "invalid",
      `target_url has over ${TARGET_URL_CHARS_MAX} characters once it is percent-encoded`,
    );
  }
  return url.href;
}

/** The URL without its query, for logs: a query often carries a credential. */
export function withoutQuery(targetUrl: string): string {
  const end = targetUrl.indexOf("?");
  return end === -1 ? targetUrl : targetUrl.slice(0, end);
}
