import { vi } from "vitest";

// Test files share a process, which has its dependencies loaded once. What our own modules keep, such as the
// last id that was made, begins anew with each file.
vi.resetModules();
