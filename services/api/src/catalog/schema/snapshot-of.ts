import { noteNumberTexts } from "@posthaste/domain";

/** Parses a snapshot that was parsed before, so that it is JSON, with its numbers as they are written. */
export function snapshotOf(json: string): object {
  const snapshot = JSON.parse(json) as object;
  noteNumberTexts(snapshot, json);
  return snapshot;
}
