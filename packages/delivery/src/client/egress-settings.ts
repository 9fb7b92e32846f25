import { EGRESS_PORTS_DEFAULT, formatPorts, parseNetworks, parsePorts } from "@posthaste/domain";
import { parsed } from "@posthaste/runtime";

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
  POSTHASTE_EGRESS_PORTS: parsed(
    "Ports that deliveries may use; by default HTTP's ports and all ports from 1024, because the others belong to other protocols",
    EGRESS_PORTS_DEFAULT,
    formatPorts(EGRESS_PORTS_DEFAULT),
    parsePorts,
  ),
} as const;
