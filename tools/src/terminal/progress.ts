/** A destination for progress. A terminal's line is updated in place; anything else gets new lines. */
export type ProgressOutput = { readonly isTTY?: boolean; write(text: string): unknown };

const TERMINAL_TICK_MS = 1_000;
const LINE_TICK_MS = 15_000;
/** The duration is shown only for steps that take at least this long. */
const DURATION_SHOWN_MS = 1_000;

/** Shows a title and the elapsed time while `run` runs. `run` prints a line of its own with `note`. */
export async function showProgress<T>(
  title: string,
  run: (note: (line: string) => void) => Promise<T>,
  output: ProgressOutput = process.stderr,
): Promise<T> {
  const startedAt = performance.now();
  const elapsedMs = () => performance.now() - startedAt;
  const seconds = () => `${Math.round(elapsedMs() / 1000)} s`;
  const clear = output.isTTY ? "\r\x1b[K" : "";
  output.write(output.isTTY ? `${title} …` : `${title} …\n`);
  const timer = setInterval(
    () => output.write(`${clear}${title} … ${seconds()}${output.isTTY ? "" : "\n"}`),
    output.isTTY ? TERMINAL_TICK_MS : LINE_TICK_MS,
  );
  let ending = "failed";
  try {
    const result = await run((line) => output.write(`${clear}  ${line}\n`));
    ending = "done";
    return result;
  } finally {
    clearInterval(timer);
    output.write(
      `${clear}${title} … ${ending}${elapsedMs() < DURATION_SHOWN_MS ? "" : ` after ${seconds()}`}\n`,
    );
  }
}
