import { Refusal } from "@posthaste/domain";
import { RE2JS } from "re2js";
import { charge } from "./work.ts";

/** Longest pattern, in characters. Patterns written by people have under 100. */
const PATTERN_CHARS_MAX = 500;
/** Maximum instructions of a compiled pattern; counted repetitions, such as `{1,500}`, are expanded. */
const PROGRAM_MAX = 1_000;
/** Instructions times characters per step. */
const INSTRUCTIONS_A_STEP = 32;

/** A regular expression in the form Ajv expects. */
export type LinearPattern = {
  test(text: string): boolean;
  /** Ajv treats patterns with equal strings as the same pattern. */
  toString(): string;
};

/**
 * Compiles a regular expression that takes time in proportion to its text: RE2's algorithm, without
 * look-around or back-references. JavaScript's own engine takes exponential time for `^(a+)+$`.
 *
 * @throws Refusal `invalid`, field `schema`
 */
export function linearPattern(pattern: string): LinearPattern {
  const refuse = (why: string, cause?: unknown) =>
    new Refusal("invalid", `the pattern ${JSON.stringify(pattern.slice(0, 60))} ${why}`, {
      reason: "SCHEMA_INVALID",
      field: "schema",
      cause,
    });
  if (pattern.length > PATTERN_CHARS_MAX) {
    throw refuse(`has ${pattern.length} characters; at most ${PATTERN_CHARS_MAX} are allowed`);
  }
  const compiled = compile(pattern, refuse);
  const size = compiled.programSize();
  if (size > PROGRAM_MAX) throw refuse("repeats too much; use smaller counts in braces");
  return {
    test(text) {
      charge(1 + Math.ceil((text.length * size) / INSTRUCTIONS_A_STEP));
      return compiled.test(text);
    },
    toString: () => pattern,
  };
}

function compile(pattern: string, refuse: (why: string, cause: unknown) => Refusal): RE2JS {
  try {
    return RE2JS.compile(RE2JS.translateRegExp(pattern));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.slice(0, 120) : "";
    throw refuse(`is not in RE2's syntax, which has no look-around and no back-references: ${reason}`, cause);
  }
}
