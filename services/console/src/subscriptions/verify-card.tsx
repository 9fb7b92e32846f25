import { lazy, Suspense } from "react";
import { Link } from "wouter";
import { GUIDE_NAME, guideAddress } from "../guide/guide-address.ts";
import { Card, Skeleton } from "../parts/layout.tsx";

const VerifySnippets = lazy(async () => ({
  default: (await import("./verify-snippets.tsx")).VerifySnippets,
}));

/** Shows how a receiver verifies deliveries. Its code is loaded apart from the page. */
export function VerifyCard() {
  return (
    <Card
      title="Verify deliveries"
      aside={<Link href={guideAddress("verify-deliveries")}>{GUIDE_NAME}</Link>}
    >
      <Suspense fallback={<Skeleton lines={9} />}>
        <VerifySnippets />
      </Suspense>
    </Card>
  );
}
