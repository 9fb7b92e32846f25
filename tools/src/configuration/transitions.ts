import { DELIVERY_EVENTS, DELIVERY_STATES, type DeliveryEvent, type DeliveryState } from "@posthaste/domain";
import { DELIVERY_TRANSITIONS, holdsNoTime, TIME_COLUMNS, type TimeColumn } from "@posthaste/store";
import { betweenMarks } from "./marks.ts";

type Transition = {
  readonly meaning: string;
  readonly to: Partial<Record<DeliveryState, DeliveryState>>;
  readonly columns: Partial<Record<TimeColumn, "set" | "clear">>;
};
const TABLE: Readonly<Record<DeliveryEvent, Transition>> = DELIVERY_TRANSITIONS;

/** Replaces the text between a page's marks with the diagram and the table of a delivery's transitions. */
export function withTransitions(page: string): string {
  return betweenMarks(page, "transitions", `${picture()}\n${table()}`);
}

/** Draws the transitions that change the state. Events with the same transition share an arrow. */
function picture(): string {
  const arrows = new Map<string, DeliveryEvent[]>();
  for (const event of DELIVERY_EVENTS) {
    for (const from of DELIVERY_STATES) {
      const to = TABLE[event].to[from];
      if (to === undefined || to === from) continue;
      const arrow = `${from} --> ${to}`;
      arrows.set(arrow, [...(arrows.get(arrow) ?? []), event]);
    }
  }
  const lines = [...arrows].map(([arrow, events]) => `  ${arrow}: ${events.join(", ")}`);
  const ends = DELIVERY_STATES.filter(
    (state) => !DELIVERY_EVENTS.some((event) => (TABLE[event].to[state] ?? state) !== state),
  );
  return [
    "",
    "<!-- Written by `npm run generate` from packages/store/src/deliveries/transitions.ts. -->",
    "",
    "```mermaid",
    "stateDiagram-v2",
    "  [*] --> pending",
    "  [*] --> parked",
    ...lines,
    ...ends.map((state) => `  ${state} --> [*]`),
    "```",
    "",
    "| column | means |",
    "|---|---|",
    "| `next_attempt_at` | no retry is sent more than a second before this time |",
    "| `reconcile_after` | the reconciler ignores a started delivery until this time |",
    "| `turn_at` | the time reserved for the delivery's retry among the retries of its subscription |",
    "| `lease_until` | pending: no other worker claims the delivery before this time; started: the delivery gives its in-flight place back at this time |",
    "| `in_flight_of` | the subscription whose in-flight place the delivery occupies |",
    "",
    "An event is what happens to a delivery. It sets (**=**) or clears (**∅**) columns; a blank cell leaves the",
    "column unchanged. A delivery that is parked or has ended holds none of them. In a state that the table does",
    "not list for an event, the event comes too late and changes nothing, or it is a bug and fails:",
    "`transitions.ts` says which.",
    "",
  ].join("\n");
}

function table(): string {
  const rows = DELIVERY_EVENTS.flatMap((event) => rowsOf(event, TABLE[event]));
  const names = TIME_COLUMNS.map((column) => `\`${column}\``).join(" | ");
  return [
    `| event | when | state | ${names} |`,
    `|---|---|---|${"---|".repeat(TIME_COLUMNS.length)}`,
    ...rows,
    "",
  ].join("\n");
}

/** Returns a row for the states whose columns the event sets, and one for those in which none is held. */
function rowsOf(event: DeliveryEvent, { meaning, to, columns }: Transition): string[] {
  return [false, true].flatMap((isEmpty) => {
    const some = Object.entries(to).filter(([, state]) => holdsNoTime(state) === isEmpty);
    if (some.length === 0) return [];
    const marks = TIME_COLUMNS.map((column) => MARKS[isEmpty ? "clear" : (columns[column] ?? "keep")]);
    return [`| \`${event}\` | ${meaning} | ${waysOf(some).join("<br>")} | ${marks.join(" | ")} |`];
  });
}

const MARKS = { set: "**=**", clear: "**∅**", keep: "" } as const;

/** Describes the transitions of an event, such as `pending, parked → started` or `stays cancelled`. */
function waysOf(to: readonly (readonly [string, DeliveryState])[]): string[] {
  const from = new Map<string, string[]>();
  for (const [before, state] of to) {
    const way = before === state ? "stays" : `→ ${state}`;
    from.set(way, [...(from.get(way) ?? []), before]);
  }
  return [...from].map(([way, states]) =>
    way === "stays" ? `stays ${states.join(", ")}` : `${states.join(", ")} ${way}`,
  );
}
