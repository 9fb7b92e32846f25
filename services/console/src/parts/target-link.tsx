import type { Subscription } from "@posthaste/contracts/subscription";
import { Link } from "wouter";
import table from "./table.module.css";

/** A row's link to its subscription: the target URL, cut after two lines. On hover, shows all of it. */
export function TargetLink({ subscription: { id, targetUrl } }: { subscription: Subscription }) {
  return (
    <Link href={`/subscriptions/${id}`} className={table.link} title={targetUrl}>
      <span className={table.target}>{targetUrl}</span>
    </Link>
  );
}
