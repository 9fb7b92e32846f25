import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    // The first browsers that know light-dark().
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // What is inlined would be refused by the page's policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
