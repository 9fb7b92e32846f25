import {
  EGRESS_PORTS_DEFAULT,
  type EgressRules,
  formatPorts,
  PLATFORM_NETWORKS,
  parseDeniedNetworks,
  parseNetworks,
  parsePorts,
} from "@posthaste/domain";
import { parsed, type Values } from "@posthaste/runtime";

/**
 * The settings of the egress rules. The worker enforces them; the API refuses target URLs that clearly
 * violate them.
 */
export const EGRESS_SETTINGS = {
  POSTHASTE_EGRESS_ALLOW: parsed(
    "Networks that deliveries may reach in addition to public addresses, such as `10.1.0.0/16,fd00::/8`; all other non-public addresses are blocked",
    [],
    "none",
    parseNetworks,
  ),
  POSTHASTE_EGRESS_DENY: parsed(
    "Networks that deliveries never reach, also if they are public or in `POSTHASTE_EGRESS_ALLOW`. `platform` stands for the addresses at which clouds serve their own machines, such as metadata; `platform,203.0.113.0/24` adds a network, and `none` denies nothing",
    PLATFORM_NETWORKS,
    "platform",
    parseDeniedNetworks,
  ),
  POSTHASTE_EGRESS_PORTS: parsed(
    "Ports that deliveries may use; by default HTTP's ports and all ports from 1024, because the others belong to other protocols",
    EGRESS_PORTS_DEFAULT,
    formatPorts(EGRESS_PORTS_DEFAULT),
    parsePorts,
  ),
} as const;

export function egressRules(config: Values<typeof EGRESS_SETTINGS>): EgressRules {
  return {
    allow: config.POSTHASTE_EGRESS_ALLOW,
    deny: config.POSTHASTE_EGRESS_DENY,
    ports: config.POSTHASTE_EGRESS_PORTS,
  };
}
