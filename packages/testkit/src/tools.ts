import { findTool } from "./debian.ts";

type Progress = (line: string) => void;

/** Finds a browser: the one at `CHROMIUM_PATH`, else one on PATH, else Debian's; see {@link findTool}. */
export async function chromiumPath(progress?: Progress): Promise<string> {
  return await findTool(
    {
      what: "a browser",
      variable: "CHROMIUM_PATH",
      programs: ["chromium", "chromium-browser", "google-chrome"],
      // With a font: without one, all text is rendered as boxes.
      packages: ["chromium", "fonts-liberation"],
      waysOut: "install chromium, or set CHROMIUM_PATH to a Chromium or Chrome",
    },
    progress,
  );
}

/** Finds Prometheus' tool, likewise: the one at `PROMTOOL_PATH`, else one on PATH, else Debian's. */
export async function promtoolPath(progress?: Progress): Promise<string> {
  return await findTool(
    {
      what: "promtool",
      variable: "PROMTOOL_PATH",
      programs: ["promtool"],
      packages: ["prometheus"],
      waysOut: "install prometheus, or set PROMTOOL_PATH",
    },
    progress,
  );
}
