/** One setting: how to read it from the environment, and what to tell an operator about it. */
export type Setting<T> = {
  /** What the setting does; the docs' table is made of these. */
  readonly about: string;
  /** Used where the variable is not set or empty; undefined: the setting is required. */
  readonly fallback: T | undefined;
  /** How the fallback reads in the docs, where the value itself would not. */
  readonly fallbackText?: string;
  /** Turns the text into a value, or throws an Error that says what was expected. */
  readonly parse: (text: string) => T;
};

/** Settings by the name of their variable. */
export type Settings = Record<string, Setting<unknown>>;

/** A service cannot start, for a reason that its operator can mend: the message says which, and what to do. */
export class StartError extends Error {
  override readonly name: string = "StartError";
}

/** Turns "the port is taken" into a {@link StartError}; `setting` is what chooses another. Anything else stays as it is. */
export function portProblem(error: unknown, port: number, setting: string): unknown {
  const taken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
  return taken
    ? new StartError(`port ${port} is in use: choose another with ${setting}`, { cause: error })
    : error;
}

/** The environment was not what it should be; `problems` holds every one of them, a line each. */
export class ConfigError extends StartError {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `the configuration has ${problems.length === 1 ? "a problem" : `${problems.length} problems`}:\n  ${problems.join("\n  ")}`,
    );
    this.problems = problems;
  }
}

export type Values<S extends Settings> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never;
};

/**
 * Reads settings from the environment, keyed by their variable's name.
 *
 * @throws ConfigError naming every problem at once; values are not repeated in it, since they may be secrets
 */
export function readConfig<S extends Settings>(
  settings: S,
  env: Readonly<Record<string, string | undefined>>,
): Values<S> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(settings)) {
    const text = env[name];
    if (text === undefined || text === "") {
      if (setting.fallback === undefined) problems.push(`${name} is not set: ${setting.about}`);
      values[name] = setting.fallback;
      continue;
    }
    try {
      values[name] = setting.parse(text);
    } catch (error) {
      problems.push(`${name}: ${error instanceof Error ? error.message : "cannot be read"}`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return values as Values<S>;
}

export function integer(
  about: string,
  fallback: number | undefined,
  bounds: { min: number; max: number },
): Setting<number> {
  return {
    about: `${about} (${bounds.min} to ${bounds.max})`,
    fallback,
    parse: (text) => {
      const value = Number(text);
      if (!Number.isInteger(value) || value < bounds.min || value > bounds.max) {
        throw new Error(`expected a whole number from ${bounds.min} to ${bounds.max}`);
      }
      return value;
    },
  };
}

export function text(
  about: string,
  fallback: string | undefined,
  pattern?: RegExp,
  expected?: string,
): Setting<string> {
  return {
    about,
    fallback,
    parse: (value) => {
      if (pattern !== undefined && !pattern.test(value))
        throw new Error(`expected ${expected ?? String(pattern)}`);
      return value;
    },
  };
}

export function oneOf<const T extends string>(
  about: string,
  fallback: T | undefined,
  values: readonly T[],
): Setting<T> {
  return {
    about: `${about} (${values.join(", ")})`,
    fallback,
    parse: (value) => {
      const found = values.find((candidate) => candidate === value);
      if (found === undefined) throw new Error(`expected one of ${values.join(", ")}`);
      return found;
    },
  };
}

/** Anything that has a reader of its own, which throws an Error that says what was expected. */
export function parsed<T>(
  about: string,
  fallback: T | undefined,
  fallbackText: string,
  parse: (text: string) => T,
): Setting<T> {
  return { about, fallback, fallbackText, parse };
}

/** A list of http addresses, separated by commas. */
export function urls(about: string, fallback: readonly string[]): Setting<readonly string[]> {
  return parsed(about, fallback, fallback.length === 0 ? "none" : fallback.join(","), (value) =>
    value.split(",").map((part) => httpUrl(part.trim()).href.replace(/\/$/, "")),
  );
}

/** @throws Error that says what was expected; it does not repeat the text, which may hold a password */
export function httpUrl(text: string): URL {
  if (!/^https?:\/\/[^/]/.test(text) || !URL.canParse(text)) {
    throw new Error("expected an address such as http://HOST:PORT");
  }
  return new URL(text);
}
