import { Outcome } from "@posthaste/contracts/delivery";
import { OUTCOMES } from "./badge.tsx";

/** The outcomes by which failures are told apart, to choose one or any. */
export const FAILURES = [
  { id: "0", name: "Any outcome" },
  ...Object.entries(OUTCOMES)
    .filter(([id]) => ![Outcome.UNSPECIFIED, Outcome.ACCEPTED].includes(Number(id)))
    .map(([id, name]) => ({ id, name: name.split(":")[0] ?? name })),
];
