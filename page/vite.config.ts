import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "./",
  build: {
    outDir: "../src/echoless/serve/page",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // data: addresses are not in the page's security policy
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700, // livekit-client, fetched by pages in a LiveKit room only
  },
  test: { environment: "happy-dom", include: ["tests/**/*.test.ts"] },
});
