import { type Receiver, startReceiver } from "@posthaste/testkit";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { button, type ConsoleBench, startConsoleBench, type TestAccount } from "./console-bench.ts";
import { seriousProblems } from "./console-fixture.ts";
import { expectNone } from "./expect-none.ts";

/* Tests in a real Chromium how long a session of the console lasts, and which tabs share it. */

let bench: ConsoleBench;
let account: TestAccount;
/** A platform's page, which shows the console in a frame. */
let platform: Receiver;

beforeAll(async () => {
  platform = await startReceiver();
  bench = await startConsoleBench({ POSTHASTE_CONSOLE_FRAME_ANCESTORS: new URL(platform.url).origin });
});
afterAll(async () => {
  await bench?.dispose();
  await platform?.stop();
});
beforeEach(async () => {
  account = await bench.newAccount("Foxglove & Quill");
});
afterEach(async () => {
  expectNone(await bench.closeAll());
});

const heading = (page: Page, name: string) => page.getByRole("heading", { name, level: 1 });
const storedToken = (page: Page) => page.evaluate(`sessionStorage.getItem("posthaste.token")`);

async function portalLink({ id }: TestAccount): Promise<string> {
  const { path } = await bench.stack.client.accounts.createPortalLink({
    accountId: id,
    scopes: ["deliveries:read", "subscriptions:read"],
  });
  return path;
}

/** Opens another tab of the same browser, as a middle click on a link does. */
async function openTab(from: Page, name: string): Promise<Page> {
  const link = from.getByRole("link", { name, exact: true });
  const [tab] = await Promise.all([from.context().waitForEvent("page"), link.click({ button: "middle" })]);
  return tab;
}

/** Opens an address in another tab of the same browser, as a link of another page does. */
async function openAddress(from: Page, path: string): Promise<Page> {
  const tab = await from.context().newPage();
  await tab.goto(`${bench.stack.apiUrl}${path}`);
  return tab;
}

describe("tabs of one browser", () => {
  test("share a session: a link opened in a new tab is signed in, also after a reload", async () => {
    const { page } = await bench.show({ token: account.token });
    await heading(page, "Overview").waitFor();
    const tab = await openTab(page, "Event types");
    await heading(tab, "Event types").waitFor();
    await tab.reload();
    await heading(tab, "Event types").waitFor();
    await tab.getByRole("link", { name: "Subscriptions", exact: true }).click();
    await heading(tab, "Subscriptions").waitFor();
    await tab.goBack();
    await heading(tab, "Event types").waitFor();
    // No storage that tabs share, which is on the disk for good, and no address holds the token.
    const shared = await tab.evaluate(
      `JSON.stringify({ ...localStorage }) + document.cookie + location.href`,
    );
    expect(shared).not.toContain(account.token);
  });

  test("are signed out together", async () => {
    const { page } = await bench.show({ token: account.token });
    await heading(page, "Overview").waitFor();
    const tab = await openTab(page, "Event types");
    await heading(tab, "Event types").waitFor();
    await button(tab, "Sign out").click();
    for (const each of [page, tab]) {
      await heading(each, "Sign in").waitFor();
      expect(await storedToken(each)).toBeNull();
    }
  });

  test("that ask for a token are all signed in by one of them", async () => {
    const { page } = await bench.show();
    await heading(page, "Sign in").waitFor();
    const tab = await openAddress(page, "/event-types");
    await heading(tab, "Sign in").waitFor();
    await page.getByLabel("Token").fill(account.token);
    await page.keyboard.press("Enter");
    await heading(page, "Overview").waitFor();
    await heading(tab, "Event types").waitFor();
  });

  test("keep an operator's session and a customer's apart", async () => {
    const customer = await bench.newAccount("Customer");
    const { page } = await bench.show({ token: account.token });
    await heading(page, "Overview").waitFor();
    const portal = await openAddress(page, await portalLink(customer));
    await portal.getByText("Customer", { exact: true }).waitFor();
    // A new tab continues the session of the tab in which its link was clicked.
    const [own, theirs] = [await openTab(page, "Event types"), await openTab(portal, "Deliveries")];
    await own.getByText("Foxglove & Quill").waitFor();
    await theirs.getByText("Customer", { exact: true }).waitFor();
    for (const each of [page, portal]) await each.reload();
    await page.getByText("Foxglove & Quill").waitFor();
    await portal.getByText("Customer", { exact: true }).waitFor();

    await button(portal, "Sign out").click();
    await theirs.getByText("You have signed out").waitFor();
    await page.reload();
    await page.getByText("Foxglove & Quill").waitFor();
    expect(await storedToken(own)).toBe(account.token);
  });

  test("do not give their session to a page that asks for a token in a customer's tab", async () => {
    const { page } = await bench.show({ path: await portalLink(account) });
    await heading(page, "Overview").waitFor();
    const tab = await openTab(page, "Deliveries");
    await heading(tab, "Deliveries").waitFor();
    await button(tab, "Sign out").click();
    for (const each of [page, tab]) {
      await each.getByText("You have signed out").waitFor();
      expect(await each.getByLabel("Token").count()).toBe(0);
    }
    const operator = await openAddress(page, "/");
    await operator.getByLabel("Token").fill(account.token);
    await operator.keyboard.press("Enter");
    await heading(operator, "Overview").waitFor();
    expect(await storedToken(page)).toBeNull();
    await page.getByText("You have signed out").waitFor();
  });
});

test("without a brand, the page names Posthaste to an operator, and to no customer", async () => {
  const { page } = await bench.show({ token: account.token });
  await heading(page, "Overview").waitFor();
  expect(await page.title()).toBe("Overview · Posthaste");
  const portal = await openAddress(page, await portalLink(account));
  await heading(portal, "Overview").waitFor();
  expect(await portal.title()).toBe("Overview · Webhooks");
  await button(portal, "Sign out").click();
  await portal.getByText("You have signed out").waitFor();
  for (const text of [await portal.title(), await portal.locator("body").textContent()]) {
    expect(text).not.toMatch(/posthaste/i);
  }
});

test("a customer's session in a frame reaches no tab, and none reaches the frame", async () => {
  const { page } = await bench.show({ token: account.token });
  await heading(page, "Overview").waitFor();
  const customer = await bench.newAccount("Customer");
  const framed = async (path: string) => {
    const body = `<!doctype html><title>platform</title><iframe src="${bench.stack.apiUrl}${path}"></iframe>`;
    platform.answer({ kind: "status", status: 200, headers: { "content-type": "text/html" }, body });
    const tab = await page.context().newPage();
    await tab.goto(platform.url);
    return tab.frameLocator("iframe");
  };
  const portal = await framed(await portalLink(customer));
  await portal.getByRole("link", { name: "Deliveries", exact: true }).click();
  await portal.getByRole("heading", { name: "Deliveries", level: 1 }).waitFor();
  await (await openAddress(page, "/event-types")).getByText("Foxglove & Quill").waitFor();
  await (await framed("/event-types")).getByRole("heading", { name: "Your session has ended" }).waitFor();
});

describe("a session that ends", () => {
  const typed = "https://receiver.example/hook?for=ledger";

  /** Fills the form of a new subscription, and ends the session before it is sent. */
  async function endWhileTyping(page: Page): Promise<void> {
    await page.getByLabel("Target URL").fill(typed);
    await page.getByText("All types that platforms send").click();
    await account.revoke();
    await button(page, "Create subscription").click();
    await page.getByRole("dialog", { name: "Your session has ended" }).waitFor();
  }

  test("keeps the form under a dialog, and goes on with another token of the account", async () => {
    const { page } = await bench.show({ token: account.token, path: "/subscriptions/new" });
    await endWhileTyping(page);
    expect(await storedToken(page)).toBeNull();
    // The focus is in the dialog and stays there; Escape does not close it.
    await page.keyboard.press("Escape");
    for (let i = 0; i < 4; i++) await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.closest('[role=dialog]') !== null")).toBe(true);
    await page.getByLabel("Token").fill("pht_wrong");
    await button(page, "Sign in").click();
    await page.getByText("This token is unknown, expired or revoked").waitFor();
    await page.getByLabel("Token").fill(await account.newToken());
    await page.keyboard.press("Enter");
    // What was asked for before the end is done now.
    await page.getByRole("heading", { name: typed }).waitFor();
    const { subscriptions } = await account.client.subscriptions.listSubscriptions({});
    expect(subscriptions.map(({ targetUrl }) => targetUrl)).toEqual([typed]);
  });

  test("starts afresh with another account's token, and does nothing for the first", async () => {
    const other = await bench.newAccount("Another");
    const { page } = await bench.show({ token: account.token, path: "/subscriptions/new" });
    await endWhileTyping(page);
    await page.getByLabel("Token").fill(other.token);
    await page.keyboard.press("Enter");
    await page.getByText("Another", { exact: true }).waitFor();
    await heading(page, "Overview").waitFor();
    for (const { client } of [account, other]) {
      expect((await client.subscriptions.listSubscriptions({})).subscriptions).toEqual([]);
    }
  });

  test("ends in all its tabs, and goes on in all of them once somebody signs in", async () => {
    const { page } = await bench.show({ token: account.token, path: "/subscriptions/new" });
    const tab = await openTab(page, "Overview");
    await heading(tab, "Overview").waitFor();
    await endWhileTyping(page);
    await tab.getByRole("dialog", { name: "Your session has ended" }).waitFor();
    await tab.getByLabel("Token").fill(await account.newToken());
    await tab.keyboard.press("Enter");
    await page.getByRole("heading", { name: typed }).waitFor();
  });

  test("tells a customer to reopen it, which another tab may do", async () => {
    const { page } = await bench.show({ path: await portalLink(account) });
    await heading(page, "Overview").waitFor();
    await bench.stack.store.db
      .updateTable("tokens")
      .set({ expires_at: Date.now() - 1 })
      .where("account_id", "=", account.id)
      .where("session", "=", 1)
      .execute();
    await page.getByRole("link", { name: "Deliveries", exact: true }).click();
    await page.getByText("Open it again from the page that you came from.").waitFor();
    expect(await page.getByRole("dialog").textContent()).not.toMatch(/token/i);
    await openAddress(page, await portalLink(account));
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByText("No deliveries yet").waitFor();
  });
});

/** A page that a timer of its own drives, so that no test waits for time to pass. */
async function showWithClock(options: { token: string; path?: string }) {
  const opened = await bench.show({ token: options.token, path: "/favicon.svg" });
  await opened.page.clock.install();
  await opened.go(options.path ?? "/");
  return opened;
}

describe("an inbox", () => {
  test("is asked for no more while its session has ended, and is watched again afterwards", async () => {
    const { page, asked } = await showWithClock({ token: account.token, path: "/inbox" });
    await button(page, "Create an inbox").click();
    await page.getByText("Live", { exact: true }).waitFor();
    await account.revoke();
    await page.getByRole("dialog", { name: "Your session has ended" }).waitFor();
    const before = asked.length;
    await page.clock.runFor(20_000);
    expect(asked.slice(before)).toEqual([]);
    await page.getByLabel("Token").fill(await account.newToken());
    await page.keyboard.press("Enter");
    await page.getByText("Live", { exact: true }).waitFor();
  });

  test("that the API forgot in a restart says so", async () => {
    const { page } = await bench.show({ token: account.token, path: "/inbox" });
    await button(page, "Create an inbox").click();
    await page.getByText("Live", { exact: true }).waitFor();
    const [api] = bench.stack.apis;
    await api?.stop();
    await api?.start();
    await page.getByText("It was older than a day, or the server has been restarted").waitFor();
    await button(page, "Create an inbox").click();
    await page.getByText("Live", { exact: true }).waitFor();
  });
});

test("the overview at rest asks for nothing but its one stream", async () => {
  await account.client.subscriptions.createSubscription({ targetUrl: platform.url, eventTypes: ["*"] });
  const { page, asked } = await showWithClock({ token: account.token, path: "/deliveries" });
  const unanswered = new Set<unknown>();
  page.on("request", (request) => {
    // The stream is never done.
    if (!request.url().endsWith("/WatchDeliveries")) unanswered.add(request);
  });
  for (const end of ["requestfinished", "requestfailed"] as const) {
    page.on(end as "requestfinished", (request) => unanswered.delete(request));
  }
  /** Lets seconds pass, each once what was asked for in the previous one is answered. */
  const pass = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      await page.clock.runFor(1_000);
      await expect.poll(() => unanswered.size).toBe(0);
    }
  };
  await page.getByText("Live", { exact: true }).waitFor();
  await page.getByRole("link", { name: "Overview", exact: true }).click();
  await page.getByText("No deliveries in this period").waitFor();
  // What happened before the page was opened may be counted a little later.
  await pass(20);
  const before = asked.length;
  await pass(20);
  expect(asked.slice(before)).toEqual([]);
  await account.client.events.ingestEvent({
    eventType: "invoice_sent",
    snapshot: { case: "dataJson", value: "{}" },
  });
  await expect
    .poll(async () => {
      await pass(1);
      return await page.getByText(/^of 1 attempt/).count();
    })
    .toBe(1);
  expect(asked.filter((url) => url.endsWith("/WatchDeliveries"))).toHaveLength(1);
});

describe("while the server cannot be reached", () => {
  const away = (page: Page) => page.getByText("The server cannot be reached. This page keeps trying");

  test("every page says so once, keeps what it shows, and goes on by itself", async () => {
    // Opened without `show`, which counts complaints: here those of chunks that are not served are expected.
    const { page, close } = await bench.browser.open({ token: account.token, path: "/deliveries" });
    await page.getByText("No deliveries yet").waitFor();
    const [api] = bench.stack.apis;
    await api?.kill();
    onTestFinished(async () => {
      if (api?.running() === false) await api.start();
    });
    await away(page).waitFor();
    await page.getByText("No deliveries yet").waitFor();
    // This page's chunk was not loaded before.
    await page.getByRole("link", { name: "Event types", exact: true }).click();
    await page.waitForURL("**/event-types");
    expect(await page.getByText(/Failed to fetch|cannot be shown/).count()).toBe(0);
    await api?.start();
    await away(page).waitFor({ state: "detached" });
    await page.getByRole("link", { name: "invoice_sent", exact: true }).waitFor();
    await page.goBack();
    await page.getByText("Live", { exact: true }).waitFor();
    await close();
  });

  test("a page that is loaded keeps trying, also if a proxy answers in its place", async () => {
    const { page } = await bench.show({ token: account.token, path: "/event-types" });
    const calls = "**/posthaste.v1.*/**";
    for (const status of [502, 503, 504]) {
      await page.route(calls, (route) => route.fulfill({ status, body: "<h1>Bad gateway</h1>" }));
      await page.reload();
      await away(page).waitFor();
      expect(await storedToken(page)).toBe(account.token);
      await page.unroute(calls);
      await button(page, "Try now").click();
      await page.getByRole("link", { name: "invoice_sent", exact: true }).waitFor();
      expect(await away(page).count()).toBe(0);
    }
  });

  test("a form says that it was not sent, and keeps what was typed", async () => {
    const { page } = await bench.show({ token: account.token, path: "/subscriptions/new" });
    await page.getByLabel("Target URL").fill("https://receiver.example/");
    await page.getByText("All types that platforms send").click();
    await page.route("**/CreateSubscription", (route) => route.abort());
    await button(page, "Create subscription").click();
    await page.getByText("The server cannot be reached. Try again when it is back.").waitFor();
    await page.unroute("**/CreateSubscription");
    await away(page).waitFor({ state: "detached" });
    await button(page, "Create subscription").click();
    await page.getByRole("heading", { name: "https://receiver.example/" }).waitFor();
  });
});

describe("what a page shows over its content", () => {
  for (const look of ["light", "dark"] as const) {
    test(`is accessible and fits a phone: the dialog of an ended session, the banner, a form's problems, ${look}`, async () => {
      const { page } = await bench.show({
        token: account.token,
        path: "/subscriptions/new",
        dark: look === "dark",
      });
      await page.setViewportSize({ width: 320, height: 640 });
      const problems = async () => [
        ...(await seriousProblems(page)),
        ...(await page.evaluate<string[]>(`
          document.documentElement.scrollWidth > screen.width ? ["is wider than the window"] : []`)),
      ];
      await button(page, "Create subscription").click();
      await page.getByText("Choose at least one event type.").waitFor();
      expectNone(await problems());
      await account.revoke();
      await page.getByRole("link", { name: "Event types", exact: true }).click();
      await page.getByRole("dialog").waitFor();
      expectNone(await problems());
      await page.route("**/posthaste.v1.*/**", (route) => route.abort());
      await page.getByLabel("Token").fill(account.token);
      await page.keyboard.press("Enter");
      await page.getByText("The server cannot be reached. This page keeps trying").waitFor();
      expectNone(await problems());
    });
  }
});
