import type { Setting } from "@posthaste/runtime";
import { API_SETTINGS } from "../../../services/api/src/config.ts";
import { WORKER_SETTINGS } from "../../../services/worker/src/config.ts";

/** A setting of one or both services, as the docs show it. */
export type DocumentedSetting = {
  readonly name: string;
  readonly readBy: readonly ("API" | "worker")[];
  readonly about: string;
  /** Undefined: the setting is required. */
  readonly fallback: string | undefined;
};

/** Lists every setting of the services, in the order of the code. A setting that both read is listed once. */
export function documentedSettings(): readonly DocumentedSetting[] {
  const settings = new Map<string, DocumentedSetting>();
  for (const [service, table] of [
    ["API", API_SETTINGS],
    ["worker", WORKER_SETTINGS],
  ] as const) {
    for (const [name, setting] of Object.entries<Setting<unknown>>(table)) {
      const readBy = [...(settings.get(name)?.readBy ?? []), service];
      settings.set(name, { name, readBy, about: setting.about, fallback: fallbackOf(setting) });
    }
  }
  return [...settings.values()];
}

function fallbackOf({ fallback, fallbackText }: Setting<unknown>): string | undefined {
  return fallback === undefined ? undefined : (fallbackText ?? String(fallback));
}
