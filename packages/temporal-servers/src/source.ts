import type { Program } from "./programs.ts";

/** A place programs come from: puts one into the empty folder `dir`, and resolves with its path. */
export type Source = (
  program: Program,
  to: {
    readonly dir: string;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly progress: (line: string) => void;
  },
) => Promise<string>;
