import type { Program } from "./programs.ts";

/** Fetches a program into the empty folder `dir`, and resolves with its path. */
export type Source = (
  program: Program,
  to: {
    readonly dir: string;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly progress: (line: string) => void;
  },
) => Promise<string>;
