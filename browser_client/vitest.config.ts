import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["tests/browser_client/**/*.test.ts"], root: "." },
});
