import { EGRESS_PORTS_DEFAULT, formatPorts, parseNetworks, parsePorts } from "@posthaste/domain";
import { parsed } from "@posthaste/runtime";

/** What deliveries may reach: the worker goes by it, and the API refuses what plainly goes against it. */
export const EGRESS_SETTINGS = {
  POSTHASTE_EGRESS_ALLOW: parsed(
    "Networks that deliveries may reach although they are not public, such as `10.1.0.0/16,fd00::/8`; every other address that is not public is blocked",
    [],
    "none",
    parseNetworks,
  ),
  POSTHASTE_EGRESS_PORTS: parsed(
    "Ports that deliveries are sent to; those below 1024 belong to other protocols, but for HTTP's own",
    EGRESS_PORTS_DEFAULT,
    formatPorts(EGRESS_PORTS_DEFAULT),
    parsePorts,
  ),
} as const;
