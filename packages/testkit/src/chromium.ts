import { existsSync } from "node:fs";
import { findProgram, installFromDebian, NotInstallable } from "./debian.ts";

const PROGRAMS = ["chromium", "chromium-browser", "google-chrome"];
/** Includes a font: without one, all text is rendered as boxes. */
const DEBIAN_PACKAGES = ["chromium", "fonts-liberation"];
const WAYS_OUT = "install chromium, or set CHROMIUM_PATH to a Chromium or Chrome";

/**
 * Finds a browser: the one at `CHROMIUM_PATH`, else one on PATH, else one that it installs from
 * Debian (as root).
 *
 * @returns the browser's path
 * @throws Error whose message is one line that says what to install or set
 */
export async function chromiumPath(progress: (line: string) => void = () => {}): Promise<string> {
  const given = process.env["CHROMIUM_PATH"];
  if (given !== undefined && given !== "") {
    if (existsSync(given)) return given;
    throw new Error(`tests need a browser, and CHROMIUM_PATH does not exist: ${WAYS_OUT}`);
  }
  const found = onPath();
  if (found !== undefined) return found;
  try {
    await installFromDebian(DEBIAN_PACKAGES, progress);
  } catch (error) {
    const reason = error instanceof NotInstallable ? "this machine has none" : "it could not be installed";
    throw new Error(`tests need a browser, and ${reason}: ${WAYS_OUT}`, { cause: error });
  }
  const installed = onPath();
  if (installed === undefined) throw new Error(`${DEBIAN_PACKAGES[0]} installed no browser: ${WAYS_OUT}`);
  return installed;
}

function onPath(): string | undefined {
  return PROGRAMS.map(findProgram).find((path) => path !== undefined);
}
