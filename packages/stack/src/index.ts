export { type Child, createChild, type Env, type Program } from "./child.ts";
export { earlyAttempts, earlyInLog, type LoggedAttempt } from "./early-attempts.ts";
export { endKnown, isAlive, type KnownProcess, knownProcess } from "./known-process.ts";
export { ROOT, serviceArgs, servicePrograms, temporalProgram } from "./programs.ts";
export { type Stack, type StackOptions, startStack } from "./stack.ts";
