import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Theme } from "@posthaste/contracts/session";
import { SCOPES, type Scope } from "@posthaste/domain";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import type { Frame, Page } from "playwright-core";
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from "vitest";
import { ROOT } from "../../src/repository/files.ts";
import { button, type ConsoleBench, PATIENCE, startConsoleBench, type TestAccount } from "./console-bench.ts";
import { seriousProblems } from "./console-fixture.ts";
import { expectNone } from "./expect-none.ts";

/* Tests in a real Chromium what an operator's customers see: the operator's brand, and their own words. */

/** A colour that is legible on no light surface. */
const YELLOW = "#ffd400";
const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><script>top.hacked = 1</script>
<rect width="8" height="8" fill="${YELLOW}"/></svg>`;
const FONT = "node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2";
/** What no customer may read. */
const INTERNAL = /posthaste|npm run|\btokens?\b/i;
/** The narrowest window for which pages must not scroll sideways (WCAG 1.4.10). */
const NARROWEST_PX = 320;
const PORTAL_SCOPES = SCOPES.filter((scope) => scope !== "admin");

let dir: string;
let bench: ConsoleBench;
let account: TestAccount;
/** A page that may show the console in a frame, on another site than the console's. */
let host: Receiver;
let hostUrl: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "posthaste-portal-"));
  writeFileSync(join(dir, "logo.svg"), LOGO);
  host = await startReceiver();
  hostUrl = `http://localhost:${host.port}/`;
  bench = await startConsoleBench({
    POSTHASTE_CONSOLE_FRAME_ANCESTORS: `https://app.example,${new URL(hostUrl).origin}`,
    POSTHASTE_BRAND_NAME: "Quillpay",
    POSTHASTE_BRAND_LOGO: join(dir, "logo.svg"),
    POSTHASTE_BRAND_COLOR: YELLOW,
    POSTHASTE_BRAND_FONT: "Quill Sans",
    POSTHASTE_BRAND_FONT_FILE: join(ROOT, FONT),
    POSTHASTE_BRAND_THEME: "dark",
    POSTHASTE_USER_AGENT: "Quillpay/1.0",
  });
});
afterAll(async () => {
  await bench?.dispose();
  await host?.stop();
  rmSync(dir, { recursive: true });
});
beforeEach(async () => {
  account = await bench.newAccount("Foxglove");
});
afterEach(async () => {
  expectNone(await bench.closeAll());
});

type LinkOptions = { scopes?: readonly Scope[]; theme?: Theme };

async function portalLink({ scopes = PORTAL_SCOPES, theme = Theme.UNSPECIFIED }: LinkOptions = {}) {
  const request = { accountId: account.id, scopes: [...scopes], theme };
  return (await bench.stack.client.accounts.createPortalLink(request)).path;
}

async function endSessions(): Promise<void> {
  await bench.stack.store.db
    .updateTable("tokens")
    .set({ expires_at: Date.now() - 1 })
    .where("account_id", "=", account.id)
    .where("session", "=", 1)
    .execute();
}

const heading = (page: Page, name: string | RegExp) => page.getByRole("heading", { name, level: 1 });
const ground = (page: Page | Frame) => page.evaluate("getComputedStyle(document.body).backgroundColor");
const LIGHT_GROUND = "rgb(246, 247, 249)";
const DARK_GROUND = "rgb(12, 15, 22)";

describe("the brand", () => {
  test("is on the page: name, logo, colour, font and theme", async () => {
    const { page } = await bench.show({ token: account.token, path: "/event-types" });
    await heading(page, "Event types").waitFor();
    await page.getByText("Quillpay", { exact: true }).waitFor();
    expect(await page.title()).toBe("Event types · Quillpay");
    expect(await ground(page)).toBe(DARK_GROUND);
    const linkColor = () =>
      page.evaluate("getComputedStyle(document.querySelector('a[aria-current]')).color");
    expect(await linkColor()).toBe("rgb(255, 212, 0)");
    expect(await page.evaluate("document.querySelector('[src=\"/brand/logo\"]').naturalWidth > 0")).toBe(
      true,
    );
    expect(await page.evaluate("document.fonts.check('14px \"Quill Sans\"')")).toBe(true);
    expect(await page.evaluate("getComputedStyle(document.body).fontFamily")).toMatch(/^"Quill Sans", /);
    expect(await page.evaluate("window.hacked")).toBeUndefined();
    // In the light theme, the same yellow would not be legible.
    await button(page, /Switch to/).click();
    await button(page, /Switch to/).click();
    expect(await ground(page)).toBe(LIGHT_GROUND);
    expect(await linkColor()).not.toBe("rgb(255, 212, 0)");
  });

  test("is there before anybody has signed in, and Posthaste is named nowhere", async () => {
    const { page } = await bench.show();
    await heading(page, "Sign in").waitFor();
    expect(await page.title()).toBe("Quillpay");
    expect(await ground(page)).toBe(DARK_GROUND);
    expect(await textOf(page)).not.toMatch(/posthaste|npm run/i);
  });

  test("is accessible in both themes, and fits a window of 320 px", async () => {
    const problems: string[] = [];
    for (const theme of [Theme.LIGHT, Theme.DARK]) {
      const { page, go } = await bench.show({ path: await portalLink({ theme }) });
      await heading(page, "Overview").waitFor();
      for (const path of [
        "/",
        "/deliveries",
        "/subscriptions/new",
        "/event-types/invoice_sent",
        "/recover",
      ]) {
        await go(path);
        await heading(page, /./).waitFor();
        const found = [...(await seriousProblems(page)), ...(await overflowOf(page))];
        problems.push(...found.map((problem) => `${path}, ${Theme[theme]}: ${problem}`));
      }
    }
    expectNone(problems);
  }, 60_000);
});

async function overflowOf(page: Page): Promise<string[]> {
  const size = page.viewportSize();
  await page.setViewportSize({ width: NARROWEST_PX, height: 740 });
  const wider = Number(await page.evaluate("document.documentElement.scrollWidth - screen.width"));
  if (size !== null) await page.setViewportSize(size);
  return wider > 0 ? [`${wider} px wider than ${NARROWEST_PX} px`] : [];
}

describe("a portal link's theme", () => {
  test.each([
    { theme: Theme.LIGHT, other: "dark", expected: LIGHT_GROUND },
    { theme: Theme.DARK, other: "light", expected: DARK_GROUND },
  ])("is shown whatever the browser prefers and another session chose: $expected", async (row) => {
    const { page, go } = await bench.show({ path: "/favicon.svg", dark: row.other === "dark" });
    await page.evaluate(`localStorage.setItem("posthaste.theme", "${row.other}")`);
    let open = () => {};
    const isOpen = new Promise<void>((resolve) => {
      open = resolve;
    });
    await page.route("**/OpenSession", async (route) => {
      await isOpen;
      await route.continue();
    });
    await go(await portalLink({ theme: row.theme }));
    // It does not flash in another theme before its code is exchanged.
    await heading(page, "Opening…").waitFor();
    expect(await ground(page)).toBe(row.expected);
    open();
    await heading(page, "Overview").waitFor();
    expect(await ground(page)).toBe(row.expected);
    expect(await button(page, /Theme/).count()).toBe(0);
    await page.reload();
    await heading(page, "Overview").waitFor();
    expect(await ground(page)).toBe(row.expected);
    // The next session in this tab does not inherit it.
    await go(await portalLink());
    await button(page, /Theme/).waitFor();
    expect(await ground(page)).toBe(row.theme === Theme.LIGHT ? DARK_GROUND : LIGHT_GROUND);
  });
});

describe("a customer reads nothing of Posthaste, npm or tokens", () => {
  /** Subscribes two receivers, one of which fails, and returns the paths of what came of an event. */
  async function fillAccount(): Promise<string[]> {
    const receiver = await startReceiver();
    onTestFinished(() => receiver.stop());
    receiver.answer({ kind: "status", status: 500 });
    const { subscriptions, events, deliveries } = account.client;
    const { subscription } = await subscriptions.createSubscription({
      ...{ targetUrl: receiver.url, eventTypes: ["*"] },
    });
    // The receiver speaks no TLS.
    const targetUrl = receiver.url.replace("http:", "https:");
    await subscriptions.createSubscription({ targetUrl, eventTypes: ["*"] });
    const { eventId } = await events.ingestEvent({
      ...{ eventType: "invoice_sent", snapshot: { case: "dataJson", value: "{}" } },
    });
    const ids = await vi.waitFor(async () => {
      const { deliveries: found } = await deliveries.listDeliveries({ eventId });
      expect(found.map(({ attempts }) => attempts)).toEqual([1, 1]);
      return found.map(({ id }) => id);
    }, PATIENCE);
    return [
      ...ids.map((id) => `/deliveries/${id}`),
      ...[`/events/${eventId}`, `/subscriptions/${subscription?.id}`],
    ];
  }

  test("on any page", async () => {
    const own = await fillAccount();
    const { page, go } = await bench.show({ path: await portalLink() });
    await heading(page, "Overview").waitFor();
    const found: string[] = [];
    const look = async (where: string) => found.push(...(await internalWords(page, where)));
    const paths = [
      "/",
      "/deliveries",
      "/deliveries?before=x",
      "/events",
      "/subscriptions",
      "/subscriptions/new",
    ];
    paths.push(
      "/event-types",
      "/event-types/invoice_sent",
      "/recover",
      "/inbox",
      "/guide/receivers",
      "/operator",
      "/deliveries/dlv_x",
    );
    for (const path of [...paths, ...own]) {
      await go(path);
      await settled(page);
      await look(path);
    }
    for (const tab of await page.getByRole("tab").all()) {
      await tab.click();
      await look(`the code in ${await tab.textContent()}`);
    }
    await go("/inbox");
    await button(page, "Create an inbox").click();
    await button(page, "Subscribe").click();
    await button(page, "Send a test event").click();
    await page.getByText("webhook-signature", { exact: true }).waitFor();
    await look("a received request");
    expectNone(found);
  }, 90_000);

  test("if the session may not read or write", async () => {
    const own = await fillAccount();
    const found: string[] = [];
    for (const scopes of [["catalog:write"], ["subscriptions:read", "deliveries:read"]] as const) {
      const { page, go } = await bench.show({ path: await portalLink({ scopes }) });
      await heading(page, "Overview").waitFor();
      const paths = [
        "/",
        "/deliveries",
        "/subscriptions",
        "/subscriptions/new",
        "/recover",
        "/inbox",
        ...own,
      ];
      for (const path of paths) {
        await go(path);
        await settled(page);
        found.push(...(await internalWords(page, `${path} with ${scopes}`)));
      }
    }
    expectNone(found);
  }, 90_000);

  test("if the session ends, is left, or has been used, or nothing answers", async () => {
    const link = await portalLink();
    const { page, go } = await bench.show({ path: link });
    await heading(page, "Overview").waitFor();
    const found: string[] = [];
    const look = async (where: string) => found.push(...(await internalWords(page, where)));
    await page.route("**/posthaste.v1.*/**", (route) => route.abort());
    await page.getByRole("link", { name: "Subscriptions", exact: true }).click();
    await page.getByText("The server cannot be reached").first().waitFor();
    await look("nothing answers");
    await page.unroute("**/posthaste.v1.*/**");
    await button(page, "Try now").click();
    await page.getByText("The server cannot be reached").first().waitFor({ state: "detached" });
    await endSessions();
    await page.getByRole("link", { name: "Deliveries", exact: true }).click();
    await page.getByRole("dialog", { name: "Your session has ended" }).waitFor();
    await look("ended");
    await page.reload();
    await heading(page, "Your session has ended").waitFor();
    await look("ended, after a reload");
    await go(link);
    await heading(page, "This link cannot be opened").waitFor();
    await look("a used link");
    await go(await portalLink());
    await button(page, "Sign out").click();
    await heading(page, "You have signed out").waitFor();
    await look("signed out");
    expectNone(found);
  }, 60_000);
});

/** Resolves once the page has loaded what it shows. */
async function settled(page: Page): Promise<void> {
  await page.getByRole("heading", { level: 1 }).or(page.getByRole("alert")).first().waitFor();
  await expect.poll(() => page.locator("main [aria-busy=true]").count(), PATIENCE).toBe(0);
}

/** Returns all that the page shows or tells a screen reader. */
async function textOf(page: Page): Promise<string> {
  const attributes = [
    "aria-label",
    "aria-description",
    "title",
    "alt",
    "placeholder",
    "aria-roledescription",
  ];
  return String(
    await page.evaluate(`[
      document.title,
      document.body.innerText,
      ...[...document.querySelectorAll("*")].flatMap((element) =>
        ${JSON.stringify(attributes)}.map((name) => element.getAttribute(name) ?? "")),
    ].filter((text) => text !== "").join("\\n")`),
  );
}

async function internalWords(page: Page, where: string): Promise<string[]> {
  const lines = (await textOf(page)).split("\n");
  return lines.filter((line) => INTERNAL.test(line)).map((line) => `${where}: ${line}`);
}

describe("in a frame", () => {
  /** Opens a page that shows an address in a frame, and notes the messages that it gets. */
  async function framed(path: string, { at = hostUrl, by = host } = {}): Promise<Page> {
    const body = `<!doctype html><title>host</title><iframe title="Webhooks" src="${bench.stack.apiUrl}${path}"></iframe>
      <script>window.heard = []; addEventListener("message", ({ origin, data }) => heard.push({ origin, data }))</script>`;
    by.answer({ kind: "status", status: 200, headers: { "content-type": "text/html" }, body });
    const { page } = await bench.show({ path: "/favicon.svg" });
    await page.goto(at);
    return page;
  }
  const heard = (page: Page) => page.evaluate("heard");
  const message = (type: string, path?: string) => ({
    origin: new URL(bench.stack.apiUrl).origin,
    data: { type: `posthaste:${type}`, version: 1, ...(path === undefined ? {} : { path }) },
  });
  const show = (page: Page, path: string) =>
    page.evaluate(`document.querySelector("iframe").src = ${JSON.stringify(bench.stack.apiUrl + path)}`);

  test("the host hears that the page is shown and that its session has ended, and may open another one", async () => {
    const page = await framed(await portalLink({ theme: Theme.LIGHT }));
    const portal = page.frameLocator("iframe");
    await portal.getByRole("heading", { name: "Overview" }).waitFor();
    await expect.poll(() => heard(page), PATIENCE).toEqual([message("ready")]);
    const inside = page.frames()[1] as Frame;
    expect(await ground(inside)).toBe(LIGHT_GROUND);
    await portal.getByText("Quillpay", { exact: true }).waitFor();

    await endSessions();
    await portal.getByRole("link", { name: "Event types", exact: true }).click();
    await portal.getByRole("dialog", { name: "Your session has ended" }).waitFor();
    await portal.getByText("Open it again from the page that you came from.").waitFor();
    const ended = message("session-ended", "/event-types");
    await expect.poll(() => heard(page), PATIENCE).toEqual([message("ready"), ended]);

    await show(page, await portalLink({ theme: Theme.DARK }));
    await portal.getByRole("heading", { name: "Overview" }).waitFor();
    await expect.poll(() => heard(page), PATIENCE).toHaveLength(3);
    expect(await ground(inside)).toBe(DARK_GROUND);
    expect(await portal.getByRole("dialog").count()).toBe(0);
    await portal.getByRole("link", { name: "Event types", exact: true }).click();
    await portal.getByRole("link", { name: "invoice_sent", exact: true }).waitFor();
  });

  const send = (page: Page, path: string) =>
    page.evaluate(`document.querySelector("iframe").contentWindow.postMessage(
      { type: "posthaste:open", version: 1, path: ${JSON.stringify(path)} }, "*")`);

  test("goes on with a link that the host sends, where its reader was, with what was typed and asked", async () => {
    const page = await framed(await portalLink());
    const portal = page.frameLocator("iframe");
    await portal.getByRole("link", { name: "Subscriptions", exact: true }).click();
    await portal.getByRole("link", { name: "Create a subscription" }).click();
    await portal.getByLabel("Target URL").fill("https://ledger.example/hooks");
    await portal.getByText("All types that platforms send").click();
    await endSessions();
    await portal.getByRole("button", { name: "Create subscription" }).click();
    await portal.getByRole("dialog", { name: "Your session has ended" }).waitFor();
    const ended = message("session-ended", "/subscriptions/new");
    await expect.poll(() => heard(page), PATIENCE).toEqual([message("ready"), ended]);

    // A link that is of no use is answered as one that was opened.
    await send(page, "/portal#phl_used");
    await expect.poll(() => heard(page), PATIENCE).toEqual([message("ready"), ended, ended]);
    await send(page, await portalLink());
    await portal.getByRole("heading", { name: "https://ledger.example/hooks" }).waitFor();
    expect(await portal.getByRole("dialog").count()).toBe(0);
    const { subscriptions } = await account.client.subscriptions.listSubscriptions({});
    expect(subscriptions.map(({ targetUrl }) => targetUrl)).toEqual(["https://ledger.example/hooks"]);
  });

  test("opens the page that a link names, and none of another origin", async () => {
    const there = "/deliveries?state=exhausted";
    const page = await framed(`${await portalLink()}&path=${encodeURIComponent(there)}`);
    const portal = page.frameLocator("iframe");
    await portal.getByRole("heading", { name: "Deliveries", level: 1 }).waitFor();
    const at = () => page.frames()[1]?.url();
    expect(at()).toBe(bench.stack.apiUrl + there);
    await show(page, `${await portalLink()}&path=${encodeURIComponent("//evil.example/deliveries")}`);
    await portal.getByRole("heading", { name: "Overview" }).waitFor();
    expect(at()).toBe(`${bench.stack.apiUrl}/`);
  });

  test("the host hears that a link has been used", async () => {
    const path = await portalLink();
    const page = await framed(path);
    await expect.poll(() => heard(page), PATIENCE).toEqual([message("ready")]);
    await page.reload();
    await page.frameLocator("iframe").getByText("This link cannot be opened").waitFor();
    await expect.poll(() => heard(page), PATIENCE).toEqual([message("session-ended", "/")]);
  });

  test("nobody is asked for a token", async () => {
    const page = await framed("/deliveries");
    await page.frameLocator("iframe").getByText("Your session has ended").waitFor();
    await expect.poll(() => heard(page), PATIENCE).toEqual([message("session-ended", "/deliveries")]);
  });

  test("of an origin that may not frame the page, no message arrives, even if the browser lets it", async () => {
    const other = await startReceiver();
    onTestFinished(() => other.stop());
    const { page, context } = await bench.show({ path: "/favicon.svg" });
    // As if the browser did not know the policy.
    await context.route(`${bench.stack.apiUrl}/portal`, async (route) => {
      const response = await route.fetch();
      const { "content-security-policy": _policy, ...headers } = response.headers();
      await route.fulfill({ response, headers });
    });
    const body = `<!doctype html><title>other</title><iframe src="${bench.stack.apiUrl}${await portalLink()}"></iframe>
      <script>window.heard = []; addEventListener("message", ({ data }) => heard.push(data))</script>`;
    other.answer({ kind: "status", status: 200, headers: { "content-type": "text/html" }, body });
    await page.goto(other.url);
    const portal = page.frameLocator("iframe");
    await portal.getByRole("heading", { name: "Overview" }).waitFor();
    await endSessions();
    await portal.getByRole("link", { name: "Event types", exact: true }).click();
    await portal.getByRole("dialog", { name: "Your session has ended" }).waitFor();
    // What the frame had sent before this would have arrived before it, too.
    const frame = page.frames()[1] as Frame;
    await frame.evaluate("parent.postMessage('last', '*')");
    await expect.poll(() => heard(page), PATIENCE).toEqual(["last"]);

    // Nor is a link heard that it sends.
    const path = await portalLink();
    await frame.evaluate(
      "window.heard = []; addEventListener('message', ({ data }) => heard.push(data.path)); undefined",
    );
    await send(page, path);
    await expect.poll(() => frame.evaluate("heard"), PATIENCE).toEqual([path]);
    expect(await portal.getByRole("dialog").count()).toBe(1);
    const portalCode = path.split("#")[1] ?? "";
    expect((await account.client.sessions.openSession({ portalCode })).session?.accountId).toBe(account.id);
  });
});
