import ipaddr from "ipaddr.js";
import { Refusal } from "./refusal.ts";

/** The longest target URL, in characters: the published contract's limit, which most proxies accept. */
export const TARGET_URL_CHARS_MAX = 2048;

/**
 * Checks and normalises a target URL: absolute, `http` or `https`, no credentials, no fragment.
 *
 * @returns the URL as the WHATWG URL standard serialises it, so that different spellings of one URL are equal
 * @throws Refusal `invalid`, or `unprocessable_url` for a well-formed URL that may not be called
 */
export function parseTargetUrl(text: string): string {
  const refuse = (code: "invalid" | "unprocessable_url", message: string) =>
    new Refusal(code, message, { field: "target_url" });
  if (text.length > TARGET_URL_CHARS_MAX) {
    throw refuse(
      "invalid",
      `target_url has ${text.length} characters; at most ${TARGET_URL_CHARS_MAX} are allowed`,
    );
  }
  // The URL parser strips these characters silently: the stored URL would differ from the request's.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the expression must match control characters
  if (/[\u0000-\u0020\u007f]/.test(text)) {
    throw refuse("invalid", "target_url contains white space or a control character; percent-encode it");
  }
  if (!URL.canParse(text)) {
    throw refuse(
      "invalid",
      "target_url is not an absolute URL; send a URL such as https://yoursite.com/yourpage",
    );
  }
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw refuse(
      "unprocessable_url",
      `target_url starts with ${url.protocol}; only https: and http: are allowed`,
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw refuse(
      "unprocessable_url",
      "target_url contains credentials; send them as secret, which becomes the Authorization header",
    );
  }
  if (url.hash !== "" || text.includes("#")) {
    throw refuse("unprocessable_url", "target_url has a fragment (#…), which is never sent; remove it");
  }
  if (url.href.length > TARGET_URL_CHARS_MAX) {
    throw refuse(
      "invalid",
      `target_url has more than ${TARGET_URL_CHARS_MAX} characters after percent-encoding`,
    );
  }
  return url.href;
}

/** Returns the URL without its query, for logs: a query often contains a credential. */
export function withoutQuery(targetUrl: string): string {
  const end = targetUrl.indexOf("?");
  return end === -1 ? targetUrl : targetUrl.slice(0, end);
}

/** An IPv4-mapped IPv6 address, as the URL parser writes it. */
const IPV4_MAPPED = /^\[(::ffff:[\da-f]{1,4}:[\da-f]{1,4})\]$/;

/**
 * Returns the host of a target URL, without its port, and without the dot that may end it. An IPv4-mapped
 * IPv6 address is another spelling of its IPv4 address.
 */
export function hostOf(targetUrl: string): string {
  const { hostname } = new URL(targetUrl);
  const mapped = IPV4_MAPPED.exec(hostname)?.[1];
  return mapped === undefined ? hostname.replace(/\.$/, "") : ipaddr.process(mapped).toString();
}
