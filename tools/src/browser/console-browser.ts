import { chromiumPath } from "@posthaste/testkit";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

/** A real browser for one console. */
export type ConsoleBrowser = {
  /** Opens a page in a new context with empty storage, signed in if a token is given. */
  open(options?: OpenOptions): Promise<ConsolePage>;
  close(): Promise<void>;
};

type OpenOptions = {
  readonly token?: string;
  /** The first path to open. Default: `/`. */
  readonly path?: string;
  readonly dark?: boolean;
  /** True: the viewport of a phone, 360 px wide. Default: 1,180 px. */
  readonly narrow?: boolean;
  /** The reader's language. Default: `en-GB`. */
  readonly locale?: string;
  /** The reader's time zone. Default: `Europe/Berlin`. */
  readonly timeZone?: string;
};

export type ConsolePage = {
  readonly page: Page;
  readonly context: BrowserContext;
  /** The browser's errors so far: violations of the page's policy and uncaught errors. */
  readonly complaints: readonly string[];
  /** Every URL that the page has requested so far. */
  readonly asked: readonly string[];
  /** Opens another path of the console with a full page load. */
  go(path: string): Promise<void>;
  close(): Promise<void>;
};

const WIDE = { width: 1180, height: 740 };
const NARROW = { width: 320, height: 740 };

export async function startConsoleBrowser(url: string): Promise<ConsoleBrowser> {
  const browser: Browser = await chromium.launch({
    executablePath: await chromiumPath(console.log),
    // Chromium's sandbox does not work for root, the user of tests in containers. The browser opens only the
    // tests' pages.
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  });
  return {
    async open(options = {}) {
      const { token, path = "/", dark = false, narrow = false } = options;
      const { locale = "en-GB", timeZone = "Europe/Berlin" } = options;
      const context = await browser.newContext({
        viewport: narrow ? NARROW : WIDE,
        colorScheme: dark ? "dark" : "light",
        isMobile: narrow,
        hasTouch: narrow,
        locale,
        timezoneId: timeZone,
      });
      const complaints: string[] = [];
      const asked: string[] = [];
      const page = await context.newPage();
      page.on("pageerror", (error) => complaints.push(error.message));
      page.on("console", (line) => {
        // Ignores failed requests, because the page shows the API's refusals.
        if (line.type() === "error" && !line.text().startsWith("Failed to load resource"))
          complaints.push(line.text());
      });
      page.on("request", (request) => asked.push(request.url()));
      if (token !== undefined) {
        await page.goto(`${url}/favicon.svg`);
        await page.evaluate(`sessionStorage.setItem("posthaste.token", ${JSON.stringify(token)})`);
      }
      await page.goto(`${url}${path}`);
      return {
        page,
        context,
        complaints,
        asked,
        go: async (to) => void (await page.goto(`${url}${to}`)),
        close: () => context.close(),
      };
    },
    close: () => browser.close(),
  };
}
