// Builds the page into dist/, which the API serves. `npm run dev` serves it with reloading and
// passes /api on to DASHBOARD_URL, the address that dashboard/serve prints.
import { defineConfig } from "vite";

export default defineConfig({
  esbuild: { jsx: "automatic" },
  build: {
    target: "es2021",
    assetsInlineLimit: 0,
    rollupOptions: {
      // "use client" is for frameworks that render on a server
      onwarn: (warning, tell) => {
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") tell(warning);
      },
    },
  },
  server: { host: "127.0.0.1", proxy: { "/api": process.env.DASHBOARD_URL ?? "http://127.0.0.1:8064" } },
});
