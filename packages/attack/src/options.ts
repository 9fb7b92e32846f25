import { randomInt } from "node:crypto";
import { Complaint, parseCommandLine, wholeNumber } from "@posthaste/runtime/terminal";
import { ATTACK_KINDS, type AttackKind } from "./plan.ts";

export type AttackOptions = {
  /** How long the attacks last. */
  readonly seconds: number;
  readonly seed: number;
  readonly database: "sqlite" | "mysql";
  readonly kinds: readonly AttackKind[];
};

const SECONDS_DEFAULT = 60;
const SECONDS_MAX = 3_600;
const SEED_MAX = 2 ** 31 - 1;

export const ATTACK_USAGE = `npm run attack -- [options]

Starts a stack of its own on loopback addresses and attacks it: reset storms, half-open connections, slow
bodies, floods of streams, costly bodies and more, from callers without a token and from one hostile account,
while a well-behaved account ingests and receives. Exits with 1 if that account noticed anything, or if
anything was left open.

  --seconds N     how long the attacks last (default ${SECONDS_DEFAULT}, at most ${SECONDS_MAX})
  --seed S        repeats the attacks of an earlier run (default random)
  --database D    sqlite or mysql (default sqlite)
  --only KIND     one kind of attack: ${ATTACK_KINDS.slice(0, 4).join(", ")},
                  ${ATTACK_KINDS.slice(4).join(", ")} (default all)
  --help          shows this text`;

/** @throws Complaint if the command line is not valid */
export function parseAttackOptions(args: readonly string[]): AttackOptions | "help" {
  const { values } = parseCommandLine("attack", {
    args,
    options: {
      seconds: { type: "string" },
      seed: { type: "string" },
      database: { type: "string" },
      only: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) return "help";
  const { database = "sqlite", only } = values;
  if (database !== "sqlite" && database !== "mysql") {
    throw new Complaint(`--database is "${database}": choose sqlite or mysql`);
  }
  const kinds = only === undefined ? ATTACK_KINDS : ATTACK_KINDS.filter((kind) => kind === only);
  if (kinds.length === 0)
    throw new Complaint(`--only is "${only}": choose one of ${ATTACK_KINDS.join(", ")}`);
  return {
    seconds: wholeNumber("--seconds", values.seconds, { min: 1, max: SECONDS_MAX }) ?? SECONDS_DEFAULT,
    seed: wholeNumber("--seed", values.seed, { min: 0, max: SEED_MAX }) ?? randomInt(SEED_MAX),
    database,
    kinds,
  };
}
