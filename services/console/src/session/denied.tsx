import { Card, Empty, PageHeader } from "../parts/layout.tsx";
import { deniedWords, type NeededScope } from "./denied-words.ts";
import { useSession } from "./session-context.tsx";

/** Says in place of a form or a list that the session lacks the scope for it. */
export function Denied({ scope }: { scope: NeededScope }) {
  const { title, text } = deniedWords(scope, useSession());
  return (
    <Card>
      <Empty title={title}>
        <p>{text}</p>
      </Empty>
    </Card>
  );
}

/** Shows a page only to a session with the scope that it needs. */
export function Needs(props: { scope: NeededScope; title: string; children: React.ReactNode }) {
  const { scope, title, children } = props;
  if (useSession().can(scope)) return children;
  return (
    <>
      <PageHeader title={title} />
      <Denied scope={scope} />
    </>
  );
}
