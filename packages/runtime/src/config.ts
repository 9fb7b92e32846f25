import { isServiceLink } from "./unknown-settings.ts";

/** One setting: how to read it from the environment, and its description for operators. */
export type Setting<T> = {
  /** What the setting does. `docs/configuration.md` is generated from this text. */
  readonly about: string;
  /** The value if the variable is unset or empty; undefined = the setting is required. */
  readonly fallback: T | undefined;
  /** The fallback as shown in the docs, if the value itself is not readable. */
  readonly fallbackText?: string;
  /** Parses the variable's text. Throws an Error that says what is expected. */
  readonly parse: (text: string) => T;
};

/** Settings, keyed by the name of their variable. */
export type Settings = Record<string, Setting<unknown>>;

/**
 * A service cannot start for a reason that its operator can fix. The message says what is wrong and
 * what to do.
 */
export class StartError extends Error {
  override readonly name: string = "StartError";
}

/** Where a server listens, and the variables that say so. */
export type ListenPlace = {
  readonly host: string;
  readonly port: number;
  readonly settings: { readonly host: string; readonly port: string };
};

/** Turns the error of a server that cannot listen into a {@link StartError} that names the setting. */
export function listenProblem(error: unknown, { host, port, settings }: ListenPlace): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const problem = (text: string) => new StartError(text, { cause: error });
  switch (code) {
    case "EADDRINUSE":
      return problem(`port ${port} is in use: choose another with ${settings.port}`);
    case "EACCES":
      return problem(`this user may not listen on port ${port}: choose one from 1024 with ${settings.port}`);
    case "EADDRNOTAVAIL":
    case "EAFNOSUPPORT":
    case "EINVAL":
      return problem(`${host} is not an address of this machine: set ${settings.host} to one of its own`);
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return problem(
        `there is no address for the name ${host} (${code}): set ${settings.host} to an address`,
      );
    default:
      return error;
  }
}

/** The environment has invalid or missing settings. `problems` lists every one, a line each. */
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
 * Reads settings from the environment.
 *
 * @param alsoWrong problems of the environment to report together with those of the settings
 * @returns the values, keyed by the name of their variable
 * @throws ConfigError that lists every problem; it does not contain the values, which may be secrets
 */
export function readConfig<S extends Settings>(
  settings: S,
  env: Readonly<Record<string, string | undefined>>,
  alsoWrong: readonly string[] = [],
): Values<S> {
  const problems: string[] = [...alsoWrong];
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
      problems.push(
        isServiceLink(name, text)
          ? `${name} is a link that Kubernetes sets for a Service: set enableServiceLinks: false in the pod`
          : `${name}: ${error instanceof Error ? error.message : "cannot be read"}`,
      );
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return values as Values<S>;
}

/**
 * Defines a setting that is a whole number within bounds (inclusive). `undefined` as fallback
 * makes it required.
 */
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

/**
 * Defines a setting that is text. `undefined` as fallback makes it required.
 *
 * @param pattern what the text must match; default: anything
 * @param expected the pattern in words, for the error message
 */
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

/** Defines a setting that is one of some values. `undefined` as fallback makes it required. */
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

/**
 * Defines a setting with a custom parser. `undefined` as fallback makes it required.
 *
 * @param fallbackText the fallback as shown in the docs
 * @param parse throws an Error that says what is expected, without the text itself
 */
export function parsed<T>(
  about: string,
  fallback: T | undefined,
  fallbackText: string,
  parse: (text: string) => T,
): Setting<T> {
  return { about, fallback, fallbackText, parse };
}

/** Defines a setting that is a list of HTTP addresses, separated by commas; a trailing slash is removed. */
export function urls(about: string, fallback: readonly string[]): Setting<readonly string[]> {
  return parsed(about, fallback, fallback.length === 0 ? "none" : fallback.join(","), origins);
}

/**
 * Parses origins, separated by commas. No request is sent to a URL with credentials, and no path is used.
 *
 * @throws Error that says what is expected; it does not contain the text, which may hold a password
 */
export function origins(list: string): readonly string[] {
  return list.split(",").map((part) => {
    if (part.trim() === "*") throw new Error("* is not possible, since it would trust every site: list each");
    const { origin, href } = httpUrl(part.trim());
    if (href === `${origin}/`) return origin;
    throw new Error("expected origins such as http://HOST:PORT, without a user, a password or a path");
  });
}

/**
 * Parses an `http:` or `https:` address.
 *
 * @throws Error that says what is expected; it does not contain the text, which may hold a password
 */
export function httpUrl(text: string): URL {
  if (!/^https?:\/\/[^/]/.test(text) || !URL.canParse(text)) {
    throw new Error("expected an address such as http://HOST:PORT");
  }
  return new URL(text);
}
