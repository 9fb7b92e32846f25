import { vi } from "vitest";

// Test files share a process, which loads its dependencies once. This resets the state of the repository's
// modules, such as the last id created, for each file.
vi.resetModules();
