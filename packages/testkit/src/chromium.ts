import { existsSync } from "node:fs";
import { findProgram, installFromDebian, NotInstallable } from "./debian.ts";

const PROGRAMS = ["chromium", "chromium-browser", "google-chrome"];
/** A font too, or every word would be boxes. */
const DEBIAN_PACKAGES = ["chromium", "fonts-liberation"];
const WAYS_OUT = "install chromium, or set CHROMIUM_PATH to a Chromium or Chrome";

/**
 * Gets a browser: the one that `CHROMIUM_PATH` names; else one on PATH; else one installed from Debian, where that may be
 * done. Resolves with its path.
 *
 * @throws Error with one line that names the ways out; it never goes on without a browser
 */
export async function chromiumPath(progress: (line: string) => void = () => {}): Promise<string> {
  const given = process.env["CHROMIUM_PATH"];
  if (given !== undefined && given !== "") {
    if (existsSync(given)) return given;
    throw new Error(`tests need a browser, and CHROMIUM_PATH names none: ${WAYS_OUT}`);
  }
  const found = onPath();
  if (found !== undefined) return found;
  try {
    await installFromDebian(DEBIAN_PACKAGES, progress);
  } catch (error) {
    const reason =
      error instanceof NotInstallable ? "there is none on this machine" : "it could not be installed";
    throw new Error(`tests need a browser, and ${reason}: ${WAYS_OUT}`, { cause: error });
  }
  const installed = onPath();
  if (installed === undefined) throw new Error(`${DEBIAN_PACKAGES[0]} brought no browser; ${WAYS_OUT}`);
  return installed;
}

function onPath(): string | undefined {
  return PROGRAMS.map(findProgram).find((path) => path !== undefined);
}
