import { chromiumPath } from "@posthaste/testkit";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

/** A real browser that looks at one console. */
export type ConsoleBrowser = {
  /** A page of its own, with nothing stored; signed in where a token is given. */
  open(options?: OpenOptions): Promise<ConsolePage>;
  close(): Promise<void>;
};

export type OpenOptions = {
  readonly token?: string;
  /** Where it begins. Default: `/`. */
  readonly path?: string;
  readonly dark?: boolean;
  /** A phone's. */
  readonly narrow?: boolean;
};

export type ConsolePage = {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the browser refused or complained about so far: what the page's policy forbids, errors nobody caught. */
  readonly complaints: readonly string[];
  /** Every URL that was asked for so far. */
  readonly asked: readonly string[];
  /** Goes to another page of the console, as a reload would. */
  go(path: string): Promise<void>;
  close(): Promise<void>;
};

const WIDE = { width: 1180, height: 740 };
const NARROW = { width: 360, height: 740 };

export async function startConsoleBrowser(url: string): Promise<ConsoleBrowser> {
  const browser: Browser = await chromium.launch({
    executablePath: await chromiumPath(console.log),
    // Chromium's sandbox does not work for root, as which tests run in containers; it shows only what comes from here.
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  });
  return {
    async open({ token, path = "/", dark = false, narrow = false } = {}) {
      const context = await browser.newContext({
        viewport: narrow ? NARROW : WIDE,
        colorScheme: dark ? "dark" : "light",
        isMobile: narrow,
        hasTouch: narrow,
        locale: "en-GB",
        timezoneId: "Europe/Berlin",
      });
      const complaints: string[] = [];
      const asked: string[] = [];
      const page = await context.newPage();
      page.on("pageerror", (error) => complaints.push(error.message));
      page.on("console", (line) => {
        // What the API refuses is shown by the page itself.
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
