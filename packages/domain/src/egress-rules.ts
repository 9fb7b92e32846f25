import ipaddr from "ipaddr.js";
import { Refusal } from "./refusal.ts";

/** What deliveries may reach beside the public internet, and on which ports. */
export type EgressRules = {
  /** Networks that may be reached although they are not public. */
  readonly allow: readonly Network[];
  readonly ports: readonly PortRange[];
};

/** A network, such as `10.1.0.0/16`; read by {@link parseNetworks}. */
export type Network = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];
export type PortRange = { readonly from: number; readonly to: number };

/**
 * HTTP's own ports and everything that is not reserved for another protocol: below 1024 live mail, SSH, DNS and the
 * like, which a request might be mistaken for a command by.
 */
export const EGRESS_PORTS_DEFAULT: readonly PortRange[] = [
  { from: 80, to: 80 },
  { from: 443, to: 443 },
  { from: 1024, to: 65_535 },
];

/** Only from here are IPv6 addresses given out to the public; what lies outside is private, local or not in use. */
const PUBLIC_IPV6 = ipaddr.IPv6.parseCIDR("2000::/3");

/**
 * Whether an address may be called: a public unicast one, or one that the operator allows. Addresses that carry
 * another inside (6to4, Teredo, NAT64) are not public, whatever they carry; an IPv4-mapped one counts as the IPv4
 * address that it is.
 *
 * @param text as name resolution or a socket gives it; what is no address may not be called
 */
export function permitsAddress({ allow }: EgressRules, text: string): boolean {
  const address = parseAddress(text);
  if (address === undefined) return false;
  return isPublic(address) || allow.some((network) => isIn(network, address));
}

export function permitsPort({ ports }: EgressRules, port: number): boolean {
  return ports.some(({ from, to }) => from <= port && port <= to);
}

/** The port that a target URL is called on. */
export function portOf(url: URL): number {
  if (url.port !== "") return Number(url.port);
  return url.protocol === "https:" ? 443 : 80;
}

/**
 * The address that a target URL's host is, without brackets; undefined where it is a name. The URL standard has
 * already turned decimal, octal, hexadecimal, short and full-width spellings into one.
 */
export function literalAddress({ hostname }: URL): string | undefined {
  const text = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  return ipaddr.IPv6.isValid(text) || isFourPartDecimal(text) ? text : undefined;
}

/**
 * Refuses a target URL that plainly may not be called: its port, or an address written into it. A name is not
 * resolved here; the addresses it stands for are checked at each attempt.
 *
 * @param targetUrl as `parseTargetUrl` returned it
 * @throws Refusal `unprocessable_url`
 */
export function requireCallable(rules: EgressRules, targetUrl: string): void {
  const url = new URL(targetUrl);
  const refuse = (message: string) => new Refusal("unprocessable_url", message, { field: "target_url" });
  if (!permitsPort(rules, portOf(url))) {
    throw refuse(
      `target_url has port ${portOf(url)}, which is not called; possible are ${formatPorts(rules.ports)}`,
    );
  }
  const address = literalAddress(url) ?? loopbackOf(url.hostname);
  if (address !== undefined && !permitsAddress(rules, address)) {
    throw refuse(
      "target_url names an address that is not on the public internet; use one that everyone can reach",
    );
  }
}

/**
 * Reads networks such as `127.0.0.0/8,::1/128`; a single address is a network of one.
 *
 * @throws Error that says what was expected
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
 * Reads ports such as `80,443,8000-8999`.
 *
 * @throws Error that says what was expected
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

/** `localhost` and what ends in it are loopback by definition (RFC 6761), without any name resolution. */
function loopbackOf(hostname: string): string | undefined {
  return /(^|\.)localhost\.?$/.test(hostname) ? "127.0.0.1" : undefined;
}

function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  // Four decimal parts only: the library would take 010.1 for an address, and Node's resolver for another.
  if (isFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  const [withoutZone = ""] = text.split("%");
  if (!ipaddr.IPv6.isValid(withoutZone)) return undefined;
  // Without dots: of ::8.8.8.8, which is IPv4-compatible, the library would make the IPv4-mapped address.
  return ipaddr.process(new URL(`http://[${withoutZone}]/`).hostname.slice(1, -1));
}

/** Looks before it asks the library, which throws for every name and catches that, at the price of half a request. */
function isFourPartDecimal(text: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(text) && ipaddr.IPv4.isValidFourPartDecimal(text);
}

function isPublic(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (address.range() !== "unicast") return false;
  return address instanceof ipaddr.IPv4 || address.match(PUBLIC_IPV6);
}

function isIn(network: Network, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return network[0].kind() === address.kind() && address.match(network as [ipaddr.IPv4, number]);
}

function readNetwork(written: string): Network | undefined {
  const [text = "", length, ...rest] = written.split("/");
  const address = parseAddress(text);
  // A mapped network would have to be turned into the IPv4 one that is meant; its own spelling is clearer.
  if (address === undefined || rest.length > 0 || text.startsWith("::ffff:")) return undefined;
  const bits = address.kind() === "ipv4" ? 32 : 128;
  if (length === undefined) return [address, bits];
  if (!/^\d{1,3}$/.test(length) || Number(length) > bits) return undefined;
  return [address, Number(length)];
}
