import { DELIVERY_EVENTS, DELIVERY_STATES, type DeliveryEvent, type DeliveryState } from "@posthaste/domain";
import { DELIVERY_TRANSITIONS, TIME_COLUMNS, type TimeColumn } from "@posthaste/store";

const BEGIN = "<!-- transitions -->";
const END = "<!-- /transitions -->";

type Transition = {
  readonly meaning: string;
  readonly to: Partial<Record<DeliveryState, DeliveryState>>;
  readonly columns: Partial<Record<TimeColumn, "set" | "clear">>;
};
const TABLE: Readonly<Record<DeliveryEvent, Transition>> = DELIVERY_TRANSITIONS;

/** Replaces what a page has between its marks with the picture and the table of a delivery's life. */
export function withTransitions(page: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`the page has no ${BEGIN} … ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n${picture()}\n${table()}\n${page.slice(end)}`;
}

/** Only what changes the state; events that lead the same way share an arrow. */
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
    "| `next_attempt_at` | no attempt is sent before this time |",
    "| `reconcile_after` | the reconciler leaves a started delivery alone until then |",
    "| `turn_at` | the time reserved for a retry among the retries of its subscription |",
    "| `lease_until` | pending: nobody else claims it before then; started: its place is free again after that |",
    "| `in_flight_of` | the subscription among whose attempts it occupies a place |",
    "",
    "An event sets (**=**) or clears (**∅**) these columns, and leaves the others as they are. A delivery that is parked or",
    "has ended holds none of them. An event in a state that its row does not name comes late and changes nothing, or is",
    "a fault: `transitions.ts` says which.",
    "",
  ].join("\n");
}

function table(): string {
  const rows = DELIVERY_EVENTS.map((event) => {
    const { meaning, to, columns } = TABLE[event];
    const ways = waysOf(to).join("<br>");
    const marks = TIME_COLUMNS.map(
      (column) => ({ set: "**=**", clear: "**∅**", "": "" })[columns[column] ?? ""],
    );
    return `| \`${event}\` | ${meaning} | ${ways} | ${marks.join(" | ")} |`;
  });
  const names = TIME_COLUMNS.map((column) => `\`${column}\``).join(" | ");
  return [
    `| event | when | state | ${names} |`,
    `|---|---|---|${"---|".repeat(TIME_COLUMNS.length)}`,
    ...rows,
    "",
  ].join("\n");
}

/** `pending, parked → started`, and `stays cancelled`. */
function waysOf(to: Transition["to"]): string[] {
  const from = new Map<string, string[]>();
  for (const [before, state] of Object.entries(to)) {
    const way = before === state ? "stays" : `→ ${state}`;
    from.set(way, [...(from.get(way) ?? []), before]);
  }
  return [...from].map(([way, states]) =>
    way === "stays" ? `stays ${states.join(", ")}` : `${states.join(", ")} ${way}`,
  );
}
