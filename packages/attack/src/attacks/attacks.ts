import type { AttackKind } from "../plan.ts";
import type { Attack } from "../strike.ts";
import { badTokens } from "./bad-tokens.ts";
import { bombs } from "./bombs.ts";
import { churn } from "./churn.ts";
import { halfOpen } from "./half-open.ts";
import { resets } from "./resets.ts";
import { slowBodies } from "./slow-bodies.ts";
import { streams } from "./streams.ts";

export const ATTACKS: Readonly<Record<AttackKind, Attack>> = {
  resets,
  "half-open": halfOpen,
  "slow-bodies": slowBodies,
  streams,
  bombs,
  churn,
  "bad-tokens": badTokens,
};
