import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

declare module "vitest" {
  interface ProvidedContext {
    /** Whether to try everything, which takes minutes. */
    full: boolean;
  }
}

export default defineConfig({
  test: {
    provide: { full: process.env.FULL === "1" },
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], environment: "node" } },
      {
        // Named, because a dependency found late makes the test server reload in the middle of a test.
        optimizeDeps: { include: ["axe-core", "@jupyterlab/coreutils", "@jupyterlab/services"] },
        test: {
          // Layout, virtual scrolling and container queries need a real browser.
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            viewport: { width: 1240, height: 900 },
            provider: playwright({
              launchOptions: {
                executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
                args: CHROMIUM_FLAGS,
              },
            }),
            instances: [{ browser: "chromium" }],
          },
        },
      },
    ],
  },
});
