import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin, type Rolldown } from "vite";
import { guide } from "./build/guide.ts";

const fileAt = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const ENTRY = fileAt("src/main.tsx");

export default defineConfig({
  plugins: [react(), guide(), compressed()],
  // A tenth of the first load, of which the page uses nothing.
  resolve: {
    alias: { "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js": fileAt("src/api/no-rules.ts") },
  },
  build: {
    target: "es2022",
    // The first browsers that support light-dark().
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // The page's policy refuses inlined assets.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // In KiB: the first page's file. Its compressed size is tested.
    chunkSizeWarningLimit: 700,
    // One small style sheet for all pages, instead of one for each chunk.
    cssCodeSplit: false,
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: firstLoad, debugName: "first" }] } } },
  },
});

let firstModules: ReadonlySet<string> | undefined;

/**
 * Puts what the first page needs into one file. Left alone, the bundler makes a file of each set of modules
 * that the same pages share, of which the first page needs a dozen.
 */
function firstLoad(id: string, graph: Rolldown.ChunkingContext): string | null {
  firstModules ??= withImports(ENTRY, graph);
  return firstModules.has(id) ? "first" : null;
}

/** Returns a module and all that it imports, except what it loads later. */
function withImports(id: string, graph: Rolldown.ChunkingContext, found = new Set<string>()): Set<string> {
  if (found.has(id)) return found;
  found.add(id);
  for (const imported of graph.getModuleInfo(id)?.importedIds ?? []) withImports(imported, graph, found);
  return found;
}

/** Compresses text files at build time, so that the API does not compress them at each request. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    async writeBundle({ dir = "dist" }) {
      const names = await readdir(dir, { recursive: true });
      for (const name of names.filter((name) => /\.(js|css|html|svg)$/.test(name))) {
        const path = join(dir, name);
        const bytes = await readFile(path);
        await writeFile(`${path}.gz`, gzipSync(bytes, { level: 9 }));
        await writeFile(
          `${path}.br`,
          brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
        );
      }
    },
  };
}
