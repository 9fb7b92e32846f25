import { CREATION_CAUSES } from "@posthaste/domain";
import { DELIVERY_TRANSITIONS } from "@posthaste/store";
import { attemptKey, type Check, groupBy, isErased, type StoredChange } from "./facts.ts";

const CREATED: ReadonlySet<string> = new Set(CREATION_CAUSES);

/**
 * The log of changes tells of each delivery exactly what its row and its attempts say, and each change has a
 * place.
 */
export const changesFitRows: Check = (facts) => {
  const changesOf = groupBy(facts.changes, (change) => change.delivery_id);
  const rows = facts.deliveries.flatMap((row) => {
    if (isErased(facts, row.account_id)) return [];
    const changes = [...(changesOf.get(row.id) ?? [])].sort((one, other) => one.id - other.id);
    const last = changes.at(-1);
    const isRight = last?.state === row.state && last.attempts === row.attempts;
    const story = changes.map(({ cause, state, attempts }) => `${cause}=${state}/${attempts}`).join(" ");
    const wrong =
      isRight && isPossible(changes)
        ? []
        : [`${row.id} is ${row.state}/${row.attempts}, its changes: ${story}`];
    return wrong;
  });
  const unnumbered = facts.changes
    .filter(({ batch, isDeleted }) => batch === null && !isDeleted)
    .map(
      ({ id, delivery_id }) => `change ${id} of ${delivery_id} has no place in the order: see orderChanges`,
    );
  return [...rows, ...attemptsAreTold(facts), ...unnumbered];
};

/** One creation comes first, and every other change follows the table of transitions. */
function isPossible(changes: readonly StoredChange[]): boolean {
  return changes.every((change, i) => {
    const before = changes[i - 1];
    if (before === undefined) return CREATED.has(change.cause);
    const transition = DELIVERY_TRANSITIONS[change.cause as keyof typeof DELIVERY_TRANSITIONS];
    const to: Readonly<Record<string, string>> | undefined = transition?.to;
    return to?.[before.state] === change.state;
  });
}

const attemptsAreTold: Check = (facts) => {
  const told = facts.changes.filter((row) => row.attempt_ms !== null && !isErased(facts, row.account_id));
  const toldBy = groupBy(told, (row) => attemptKey(row.delivery_id, row.attempts));
  const logged = facts.attempts.filter((row) => !isErased(facts, row.account_id));
  const keys = new Set(logged.map((row) => attemptKey(row.delivery_id, row.number)));
  return [
    ...logged
      .filter((row) => {
        const changes = toldBy.get(attemptKey(row.delivery_id, row.number)) ?? [];
        return changes.length !== 1 || changes[0]?.last_outcome !== row.outcome;
      })
      .map(
        (row) =>
          `${row.delivery_id} attempt ${row.number} (${row.outcome}) is not in the log of changes once`,
      ),
    ...told
      .filter((row) => !keys.has(attemptKey(row.delivery_id, row.attempts)))
      .map(
        (row) => `change ${row.id} tells of ${row.delivery_id} attempt ${row.attempts}, which is not logged`,
      ),
  ];
};
