import { namesByLength, nearestNames } from "@posthaste/domain";
import { SERVICES } from "./access.ts";

/** A path of two parts, with or without a package, such as `/posthaste.v1.EventIngestService/IngestEvent`. */
const RPC_PATH = /^\/([\w.]*\.)?(\w+)\/(\w+)$/;

/**
 * Says what there is instead of an RPC that does not exist, such as "did you mean …?"; undefined for a path
 * that resembles no RPC's.
 */
export function insteadOf(path: string): string | undefined {
  const [, packageName, serviceName = "", methodName = ""] = RPC_PATH.exec(path) ?? [];
  const service = named(SERVICES, serviceName);
  if (service !== undefined) {
    const method = named(service.methods, methodName);
    if (method !== undefined) return `did you mean /${service.typeName}/${method.name}?`;
    return `${service.typeName} has ${service.methods.map(({ name }) => name).join(", ")}`;
  }
  if (packageName !== "posthaste.v1.") return undefined;
  const own = SERVICES.filter(({ typeName }) => typeName.startsWith(packageName));
  return `posthaste.v1 has ${own.map(({ name }) => name).join(", ")}`;
}

/** Returns the thing of this name, or else of the most similar one. */
function named<T extends { readonly name: string }>(things: readonly T[], name: string): T | undefined {
  const names = things.map((thing) => thing.name);
  const meant = names.includes(name) ? name : nearestNames(name, namesByLength(names))[0];
  return things.find((thing) => thing.name === meant);
}
