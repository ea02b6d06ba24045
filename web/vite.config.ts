// Build of the studio's page: one script, one style sheet, names without hashes, the same bytes every time.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../src/scumble/studio/static",
    emptyOutDir: true,
    assetsDir: ".",
    modulePreload: { polyfill: false },
    rollupOptions: {
      output: { entryFileNames: "studio.js", chunkFileNames: "[name].js", assetFileNames: "studio[extname]" },
    },
  },
});
