import ipaddr from "ipaddr.js";
import { Refusal } from "./refusal.ts";

/** What deliveries may reach in addition to the public internet, what they may not, and on which ports. */
export type EgressRules = {
  /** Networks that deliveries may reach although they are not public. */
  readonly allow: readonly Network[];
  /** Networks that deliveries never reach, also if they are public or allowed. */
  readonly deny: readonly Network[];
  readonly ports: readonly PortRange[];
};

/** A network such as `10.1.0.0/16`: its address and its prefix length in bits. See {@link parseNetworks}. */
export type Network = readonly [Address, number];
type Address = ipaddr.IPv4 | ipaddr.IPv6;
export type PortRange = { readonly from: number; readonly to: number };

/**
 * HTTP's ports, and all ports from 1024. The other ports below 1024 belong to protocols such as SMTP, SSH and
 * DNS, whose servers might take parts of a request for commands.
 */
export const EGRESS_PORTS_DEFAULT: readonly PortRange[] = [
  { from: 80, to: 80 },
  { from: 443, to: 443 },
  { from: 1024, to: 65_535 },
];

/** The only IPv6 range of public addresses; all addresses outside it are private, local or unassigned. */
const PUBLIC_IPV6 = ipaddr.IPv6.parseCIDR("2000::/3");
const IPV4_COMPATIBLE = ipaddr.IPv6.parseCIDR("::/96");

/** Why an address may not be called. */
export type Forbidden = "denied" | "not_public";

/**
 * Returns why an address may not be called, or undefined if it may: it is a public unicast address or one
 * that the operator allows, and the operator does not deny it. Addresses that embed an IPv4 address (NAT64,
 * 6to4, Teredo) are never public, and lead to that address: if they are allowed, it must be permitted too.
 * An IPv4-mapped address counts as its IPv4 address.
 *
 * @param text an address as name resolution or a socket returns it; any other text may not be called
 */
export function whyForbidden(rules: EgressRules, text: string): Forbidden | undefined {
  const address = parseAddress(text);
  return address === undefined ? "not_public" : whyForbiddenAddress(rules, address);
}

/** See {@link whyForbidden}. */
export function permitsAddress(rules: EgressRules, text: string): boolean {
  return whyForbidden(rules, text) === undefined;
}

function whyForbiddenAddress(rules: EgressRules, address: Address): Forbidden | undefined {
  const isListed = (networks: readonly Network[]) => networks.some((network) => isIn(network, address));
  if (isListed(rules.deny)) return "denied";
  if (!isPublic(address) && !isListed(rules.allow)) return "not_public";
  const embedded = embeddedIpv4(address);
  return embedded === undefined ? undefined : whyForbiddenAddress(rules, embedded);
}

export function permitsPort({ ports }: EgressRules, port: number): boolean {
  return ports.some(({ from, to }) => from <= port && port <= to);
}

/** Returns the port of a target URL: its own, or the scheme's default. */
export function portOf(url: URL): number {
  if (url.port !== "") return Number(url.port);
  return url.protocol === "https:" ? 443 : 80;
}

/**
 * Returns the literal address in a target URL, without brackets, or undefined if the host is a name. The URL
 * parser has already normalised decimal, octal, hexadecimal, short and full-width spellings.
 */
export function literalAddress({ hostname }: URL): string | undefined {
  const text = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  return ipaddr.IPv6.isValid(text) || isFourPartDecimal(text) ? text : undefined;
}

/**
 * A name that DNS can have: labels of 1 to 63 characters (RFC 1035, section 2.3.4), and `_`, which is in use.
 * The URL parser checks neither their length nor that they are not empty.
 */
const HOST_NAME = /^([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?$/;
/** Without the last dot. */
const HOST_NAME_CHARS_MAX = 253;

const FORBIDDEN_TEXT: Readonly<Record<Forbidden, string>> = {
  denied: "that deliveries may not reach",
  not_public: "that is not on the public internet",
};

/**
 * Refuses a target URL whose port or literal address may not be called, or whose name cannot exist. It does
 * not resolve names; each attempt checks the addresses of a name.
 *
 * @param targetUrl a URL that `parseTargetUrl` returned
 * @throws Refusal `unprocessable_url`
 */
export function requireCallable(rules: EgressRules, targetUrl: string): void {
  const url = new URL(targetUrl);
  const refuse = (message: string) => new Refusal("unprocessable_url", message, { field: "target_url" });
  if (!permitsPort(rules, portOf(url))) {
    throw refuse(
      `target_url has port ${portOf(url)}, which is not allowed; the allowed ports are ${formatPorts(rules.ports)}`,
    );
  }
  const literal = literalAddress(url);
  if (literal === undefined && !isHostName(url.hostname)) {
    throw refuse(
      "target_url has a host name that cannot exist: each part between dots has 1 to 63 letters, digits, - or _, " +
        `and the whole name at most ${HOST_NAME_CHARS_MAX} characters`,
    );
  }
  const address = literal ?? loopbackOf(url.hostname);
  const why = address === undefined ? undefined : whyForbidden(rules, address);
  if (why !== undefined) {
    throw refuse(`target_url has an address ${FORBIDDEN_TEXT[why]}; use a publicly reachable address`);
  }
}

/**
 * Parses networks such as `127.0.0.0/8,::1/128`. A single address is a network of one address.
 *
 * @throws Error with an example of valid networks
 */
export function parseNetworks(text: string): readonly Network[] {
  return text.split(",").map((part) => {
    const written = part.trim();
    const network = readNetwork(written);
    if (network === undefined) {
      throw new Error("expected networks such as 10.1.0.0/16 or fd00::/8, separated by commas");
    }
    return network;
  });
}

/**
 * Parses ports such as `80,443,8000-8999`.
 *
 * @throws Error with an example of valid ports
 */
export function parsePorts(text: string): readonly PortRange[] {
  return text.split(",").map((part) => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
    const from = Number(match?.[1]);
    const to = Number(match?.[2] ?? match?.[1]);
    if (!(from >= 1 && from <= to && to <= 65_535)) {
      throw new Error("expected ports such as 80,443,8000-8999");
    }
    return { from, to };
  });
}

export function formatPorts(ports: readonly PortRange[]): string {
  return ports.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
}

function isHostName(hostname: string): boolean {
  return HOST_NAME.test(hostname) && hostname.replace(/\.$/, "").length <= HOST_NAME_CHARS_MAX;
}

/** Returns a loopback address for `localhost` and the names under it, which are loopback names (RFC 6761). */
function loopbackOf(hostname: string): string | undefined {
  return /(^|\.)localhost\.?$/.test(hostname) ? "127.0.0.1" : undefined;
}

function parseAddress(text: string): Address | undefined {
  // Accepts four decimal parts only: the library and Node's resolver read 010.1 as different addresses.
  if (isFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  const [withoutZone = ""] = text.split("%");
  if (!ipaddr.IPv6.isValid(withoutZone)) return undefined;
  // The URL parser rewrites the address without dots: the library would read ::8.8.8.8, which is
  // IPv4-compatible, as the IPv4-mapped address.
  return ipaddr.process(new URL(`http://[${withoutZone}]/`).hostname.slice(1, -1));
}

/**
 * Tests the expression first, because the library throws and catches an error for every text that is not an
 * address, which costs half as much as a whole request.
 */
function isFourPartDecimal(text: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(text) && ipaddr.IPv4.isValidFourPartDecimal(text);
}

function isPublic(address: Address): boolean {
  if (address.range() !== "unicast") return false;
  return address instanceof ipaddr.IPv4 || address.match(PUBLIC_IPV6);
}

/**
 * Returns the IPv4 address that an IPv6 address leads to: the last four bytes (IPv4-compatible,
 * IPv4-translated, NAT64), the same inverted (Teredo), or those after the prefix (6to4). A NAT64 prefix of
 * the operator's own cannot be told from other addresses.
 */
function embeddedIpv4(address: Address): ipaddr.IPv4 | undefined {
  if (address instanceof ipaddr.IPv4) return undefined;
  const bytes = address.toByteArray();
  const last = bytes.slice(12);
  switch (address.range()) {
    case "rfc6052":
    case "rfc6145":
      return new ipaddr.IPv4(last);
    case "teredo":
      return new ipaddr.IPv4(last.map((byte) => byte ^ 0xff));
    case "6to4":
      return new ipaddr.IPv4(bytes.slice(2, 6));
    case "unspecified":
    case "loopback":
      return undefined;
    default:
      return address.match(IPV4_COMPATIBLE) ? new ipaddr.IPv4(last) : undefined;
  }
}

function isIn(network: Network, address: Address): boolean {
  return network[0].kind() === address.kind() && address.match(network as [ipaddr.IPv4, number]);
}

function readNetwork(written: string): Network | undefined {
  const [text = "", length, ...rest] = written.split("/");
  const address = parseAddress(text);
  // An IPv4-mapped network is not supported: its IPv4 spelling is clearer.
  if (address === undefined || rest.length > 0 || text.startsWith("::ffff:")) return undefined;
  const bits = address.kind() === "ipv4" ? 32 : 128;
  if (length === undefined) return [address, bits];
  if (!/^\d{1,3}$/.test(length) || Number(length) > bits) return undefined;
  return [address, Number(length)];
}
