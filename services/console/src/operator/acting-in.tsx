import { TransportProvider } from "@connectrpc/connect-query";
import { useMemo } from "react";
import { transportIn } from "../api/transport.ts";

/** Lets what is inside call the API in an account that is not the page's. */
export function ActingIn({ accountId, children }: { accountId: number; children: React.ReactNode }) {
  const transport = useMemo(() => transportIn(accountId), [accountId]);
  return <TransportProvider transport={transport}>{children}</TransportProvider>;
}
