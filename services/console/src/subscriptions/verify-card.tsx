import { lazy, Suspense } from "react";
import { Card, Skeleton } from "../parts/layout.tsx";

const VerifySnippets = lazy(async () => ({
  default: (await import("./verify-snippets.tsx")).VerifySnippets,
}));

/** Shows how a receiver verifies deliveries. Its code is loaded apart from the page. */
export function VerifyCard() {
  return (
    <Card title="Verify deliveries">
      <Suspense fallback={<Skeleton lines={9} />}>
        <VerifySnippets />
      </Suspense>
    </Card>
  );
}
