import { ADDRESSES } from "./addresses.ts";
import { FOLDING } from "./folding.ts";
import { FRAMING } from "./framing.ts";
import { INTERIM } from "./interim.ts";
import { NAMES } from "./names.ts";
import type { Chapter } from "./oddity.ts";
import { TIMING } from "./timing.ts";
import { TLS } from "./tls.ts";

/** What receivers do that is not usual: a test runs the rows, and `npm run generate` writes them down. */
export const CHAPTERS: readonly Chapter[] = [
  { title: "Framing and headers", oddities: FRAMING },
  { title: "Interim responses", oddities: INTERIM },
  { title: "Folded lines", oddities: FOLDING },
  { title: "TLS", oddities: TLS },
  { title: "URLs and names", oddities: NAMES },
  { title: "Addresses", oddities: ADDRESSES },
  { title: "Timing and connections", oddities: TIMING },
];
