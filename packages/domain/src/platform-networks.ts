import { type Network, parseNetworks } from "./egress-rules.ts";

/**
 * Addresses at which clouds serve their own machines: metadata, credentials, agents, DNS. Some are public
 * numbers, and others lie in networks that an operator may have reason to allow.
 *
 * Not listed: services that ask for credentials as they do over the internet, such as Google's
 * private.googleapis.com.
 */
const ADDRESSES = [
  // Link-local: metadata in nearly every cloud (169.254.169.254), and credentials of containers.
  "169.254.0.0/16",
  "fe80::/10",
  // Azure: WireServer, DNS, DHCP.
  "168.63.129.16",
  // Alibaba Cloud: metadata.
  "100.100.100.200",
  "fd00:100::100:200",
  // AWS: metadata, credentials of pods, DNS, time.
  "fd00:ec2::/32",
  // Google Cloud: metadata.
  "fd20:ce::254",
  // Oracle Cloud: metadata, also in its classic regions.
  "fd00:c1::a9fe:a9fe",
  "192.0.0.192",
  // IBM Cloud: services, and endpoints that exist only inside of it.
  "161.26.0.0/16",
  "166.8.0.0/14",
  // Scaleway: metadata.
  "fd00:42::42",
  // Akamai (Linode): metadata.
  "fd00:a9fe:a9fe::1",
  // Equinix Metal (Packet): metadata.
  "192.80.8.124",
];

/** See {@link ADDRESSES}. */
export const PLATFORM_NETWORKS: readonly Network[] = parseNetworks(ADDRESSES.join(","));

/**
 * Parses networks that deliveries never reach, such as `platform,203.0.113.0/24`. `platform` stands for
 * {@link PLATFORM_NETWORKS}, and `none` alone for no network.
 *
 * @throws Error with an example
 */
export function parseDeniedNetworks(text: string): readonly Network[] {
  if (text.trim() === "none") return [];
  return text.split(",").flatMap((part) => {
    if (part.trim() === "platform") return PLATFORM_NETWORKS;
    try {
      return parseNetworks(part);
    } catch {
      throw new Error("expected `platform` or networks such as 10.1.0.0/16, separated by commas, or `none`");
    }
  });
}
