import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DeliveryState } from "@posthaste/contracts/delivery";
import { type Stack, startStack } from "@posthaste/stack";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import axe from "axe-core";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import {
  type ConsoleBrowser,
  type ConsolePage,
  startConsoleBrowser,
} from "../../src/browser/console-browser.ts";
import { ROOT } from "../../src/repository/files.ts";
import { EXAMPLES } from "./example-receivers.ts";
import { expectNone } from "./expect-none.ts";

/* Tests what the console has for a developer of a receiver, in a real Chromium with a real stack. */

const PATIENCE = { timeout: 20_000 };
/** The narrowest window for which pages must not scroll sideways (WCAG 1.4.10). */
const NARROWEST_PX = 320;

let stack: Stack;
let browser: ConsoleBrowser;
let receiver: Receiver;
const open: ConsolePage[] = [];

beforeAll(async () => {
  stack = await startStack();
  browser = await startConsoleBrowser(stack.apiUrl);
});
afterAll(async () => {
  await browser?.close();
  await stack?.dispose();
});
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  const complaints = open.flatMap((opened) => opened.complaints);
  await Promise.all(open.splice(0).map((opened) => opened.close()));
  await receiver.stop();
  // No violation of the page's policy and no uncaught error.
  expectNone(complaints);
});

async function show(path: string): Promise<ConsolePage> {
  const opened = await browser.open({ token: stack.token, path });
  opened.page.setDefaultTimeout(PATIENCE.timeout);
  open.push(opened);
  return opened;
}

type Settings = { readonly secret?: string; readonly headers?: { readonly values: Record<string, string> } };

/** Delivers an event to the receiver of this test, and resolves with the path of the delivery's page. */
async function deliver(json: string, settings: Settings = {}): Promise<string> {
  const { subscription } = await stack.client.subscriptions.createSubscription({
    ...{ targetUrl: receiver.url, eventTypes: ["invoice_sent"] },
    ...settings,
  });
  const { eventId } = await stack.client.events.ingestEvent({
    eventType: "invoice_sent",
    snapshot: { case: "dataJson", value: json },
  });
  const id = await vi.waitFor(async () => {
    const { deliveries } = await stack.client.deliveries.listDeliveries({ eventId });
    const delivery = deliveries.find(({ subscriptionId }) => subscriptionId === subscription?.id);
    expect(delivery?.attempts).toBe(1);
    expect(delivery?.state).not.toBe(DeliveryState.PENDING);
    return delivery?.id;
  }, PATIENCE);
  return `/deliveries/${id}`;
}

const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: true });
const shownIn = (page: Page, label: string) => page.getByRole("region", { name: label }).locator("pre");
const INVOICE = '{"InvoiceNumber":"INV-1"}';

test("after subscribing, the next steps, the verifying code in every language and a test event are shown", async () => {
  const { page } = await show("/subscriptions/new");
  await page.getByLabel("Target URL").fill(receiver.url);
  await page.getByLabel("Find an event type").fill("invoice_s");
  await page.getByText("An invoice was sent to the client.").first().click();
  await button(page, "Create subscription").click();
  await page.getByRole("heading", { name: "Next steps" }).waitFor();
  for (const { language, file } of EXAMPLES) {
    await page.getByRole("tab", { name: language, exact: true }).click();
    const name = file.split("/").at(-1) ?? "";
    const code = readFileSync(join(ROOT, "examples/verify", file), "utf8");
    await expect.poll(() => shownIn(page, name).textContent(), PATIENCE).toBe(code);
  }
  await button(page, "Send").click();
  await page.getByText(/Accepted \(200\) in/).waitFor();
  expect(await page.getByRole("note", { name: "Hint" }).count()).toBe(0);
  // The steps belong to the moment: a later visit does not show them.
  await page.getByRole("link", { name: "Subscriptions", exact: true }).click();
  await page.getByRole("link", { name: receiver.url }).click();
  await page.getByRole("heading", { name: "Verify deliveries" }).waitFor();
  expect(await page.getByRole("heading", { name: "Next steps" }).count()).toBe(0);
});

test("the code's tabs are chosen with the arrow keys", async () => {
  const { subscription } = await stack.client.subscriptions.createSubscription({
    ...{ targetUrl: receiver.url, eventTypes: ["invoice_sent"] },
  });
  const { page } = await show(`/subscriptions/${subscription?.id}`);
  await page.getByRole("tab", { name: "Node" }).focus();
  await page.keyboard.press("ArrowRight");
  await shownIn(page, "receiver.py").waitFor();
  await page.keyboard.press("End");
  await shownIn(page, "Receiver.cs").waitFor();
});

test("a test event that fails, and a failed attempt, have a hint of what to do", async () => {
  receiver.answer({ kind: "status", status: 301, headers: { location: "https://other.example/" } });
  const path = await deliver(INVOICE);
  const { page, go } = await show(path);
  const hint = page.getByRole("note", { name: "Hint" });
  await hint.getByText(/Redirects are never followed\..*More about answers/).waitFor();
  const subscription = page.locator('dd a[href^="/subscriptions/"]');
  await go((await subscription.getAttribute("href")) ?? "");
  receiver.answer({ kind: "close" });
  await button(page, "Send").click();
  await hint.getByText(/closed before the response was complete\..*More about connections/).waitFor();
});

/** Waits until a section of the guide is at the window's top and has the focus. */
async function isAt(page: Page, section: string): Promise<void> {
  const heading = page.getByRole("heading", { name: section, exact: true });
  await heading.and(page.locator(":focus")).waitFor();
  await expect.poll(async () => (await heading.boundingBox())?.y, PATIENCE).toBeLessThan(100);
}

/** Waits until a row of one of the guide's tables is at the window's top, and marked. */
async function isAtRow(page: Page, id: string): Promise<void> {
  const row = page.locator("tr").filter({ has: page.locator(`#${id}`) });
  await page.locator(`#${id}:focus`).waitFor({ state: "attached" });
  await expect.poll(async () => (await row.boundingBox())?.y, PATIENCE).toBeLessThan(100);
  expect(await row.getAttribute("class")).toContain("addressed");
}

test("a hint's link leads to its row of the guide, also in a new tab, and Back to the delivery", async () => {
  receiver.answer({ kind: "close" });
  const path = await deliver(INVOICE);
  const { page, context } = await show(path);
  const link = page.getByRole("note", { name: "Hint" }).getByRole("link", { name: "More about connections" });
  await link.click();
  await isAtRow(page, "connections-connection-closed");
  await page.reload();
  await isAtRow(page, "connections-connection-closed");
  await page.goBack();
  await page.waitForURL(`**${path}`);
  const [other] = await Promise.all([context.waitForEvent("page"), link.click({ modifiers: ["Control"] })]);
  await isAtRow(other, "connections-connection-closed");
});

test("the guide's own links lead within it, and the next page begins at its top", async () => {
  const { page } = await show("/event-types");
  await page.getByRole("link", { name: "invoice_sent" }).waitFor();
  await page.evaluate(`history.pushState(null, "", "/guide/receivers")`);
  await page.getByRole("navigation", { name: "Sections" }).getByRole("link", { name: "Oddities" }).click();
  await isAt(page, "Oddities");
  await page
    .getByRole("region", { name: "Answers" })
    .getByRole("link", { name: "Verify deliveries" })
    .click();
  await isAt(page, "Verify deliveries");
  await page.getByRole("tab", { name: "Go", exact: true }).click();
  await shownIn(page, "receiver.go").waitFor();
  await page.goBack();
  await isAt(page, "Oddities");
  await page.getByRole("link", { name: "Event types", exact: true }).click();
  await page.getByRole("link", { name: "invoice_sent" }).waitFor();
  expect(await page.evaluate("scrollY")).toBe(0);
});

test("the guide is found among the actions and beside the code, and fits the narrowest window", async () => {
  const { subscription } = await stack.client.subscriptions.createSubscription({
    ...{ targetUrl: receiver.url, eventTypes: ["invoice_sent"] },
  });
  const { page } = await show(`/subscriptions/${subscription?.id}`);
  await page.getByRole("main").getByRole("link", { name: "Receivers guide" }).click();
  await isAt(page, "Verify deliveries");
  await page.getByRole("link", { name: "Overview" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.getByRole("link", { name: "Receivers guide" }).click();
  await page.getByRole("heading", { name: "Receivers guide" }).waitFor();
  await page.getByRole("link", { name: "Overview" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.keyboard.press("Control+k");
  await page.getByLabel("Find an action").fill("receivers g");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Receivers guide" }).waitFor();
  await page.setViewportSize({ width: NARROWEST_PX, height: 700 });
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(NARROWEST_PX);
  // What to do stands below the answer, so that nothing has to be scrolled sideways.
  const wide = await page.evaluate(`[...document.querySelectorAll("section:has(> table)")]
    .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).map(({ ariaLabel }) => ariaLabel)`);
  expectNone(wide as string[]);
  await page.getByRole("region", { name: "Answers" }).getByText("take POST").waitFor();
});

test("an attempt's request is copied as a curl command that sends the same", async () => {
  const json = String.raw`{"Notes":"it's $HOME \\ \"quoted\"\nZoë 🚀"}`;
  const path = await deliver(json, { secret: "user:hush", headers: { values: { "x-key": "hush" } } });
  const { page, context } = await show(path);
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByText("Not stored and not copied: ").waitFor();
  await page.getByText(/the URL’s query, if it has one, x-key, authorization\./).waitFor();
  await button(page, "Copy as cURL").click();
  await button(page, "Copied").waitFor();
  const command = String(await page.evaluate("navigator.clipboard.readText()"));
  const script = `curl() { printf '%s\\0' "$@"; }\n${command}\n`;
  const args = execFileSync("sh", ["-c", script], { encoding: "utf8" }).split("\0");
  const [sent] = receiver.requests;
  expect(args.slice(0, 3)).toEqual(["-X", "POST", receiver.url]);
  expect(args.slice(-3)).toEqual(["--data-raw", `[${json}]`, ""]);
  expect(sent?.body.toString()).toBe(`[${json}]`);
  for (const name of ["content-type", "webhook-id", "webhook-timestamp", "webhook-signature"]) {
    expect(args).toContain(`${name}: ${sent?.headers[name]}`);
  }
  expect(command).not.toMatch(/hush|redacted|x-key|authorization/);
});

test("a body that is no text is shown as bytes, stays text, and can be downloaded as it was", async () => {
  const body = Buffer.concat([Buffer.from([0x1f, 0x8b, 0x00, 0xff]), Buffer.from("<img src=x onerror=a()>")]);
  receiver.answer({ kind: "status", status: 500, body, headers: { "content-type": "text/html" } });
  const { page } = await show(await deliver(INVOICE));
  await page.getByText("Not UTF-8 text: shown as bytes in hexadecimal.").waitFor();
  const shown = await shownIn(page, "Response body").textContent();
  expect(shown?.split("\n")[0]).toBe(
    "00000000  1f 8b 00 ff 3c 69 6d 67  20 73 72 63 3d 78 20 6f  |....<img src=x o|",
  );
  expect(await page.locator("img").count()).toBe(0);
  const response = await downloaded(page, "Download Response body");
  expect(response).toEqual({ name: "response-1.bin", bytes: body });
  const request = await downloaded(page, "Download Request body");
  expect(request).toEqual({ name: "request.json", bytes: Buffer.from(`[${INVOICE}]`) });
});

async function downloaded(page: Page, name: string) {
  const [download] = await Promise.all([page.waitForEvent("download"), button(page, name).click()]);
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

test("a long body is cut until all of it is asked for", async () => {
  const json = JSON.stringify({ Notes: "x".repeat(50_000), End: "the end" });
  const { page } = await show(await deliver(json));
  const body = shownIn(page, "Request body");
  await expect.poll(async () => (await body.textContent())?.length, PATIENCE).toBe(32_768);
  await button(page, /Show all 50,\d{3} characters/).click();
  await expect.poll(() => body.textContent(), PATIENCE).toContain("the end");
});

test("a test event is written in lines, and sent as the sample is stored or as it is written", async () => {
  const { subscription } = await stack.client.subscriptions.createSubscription({
    ...{ targetUrl: receiver.url, eventTypes: ["invoice_sent"] },
  });
  const { eventTypes } = await stack.client.catalog.listEventTypes({});
  const sample = eventTypes.find(({ code }) => code === "invoice_sent")?.sampleJson ?? "";
  const { page } = await show(`/subscriptions/${subscription?.id}`);
  const snapshot = page.getByLabel("Snapshot", { exact: true });
  await expect.poll(() => snapshot.inputValue(), PATIENCE).toMatch(/^\{\n {2}"/);
  const bodies = () => receiver.requests.map(({ body }) => body.toString());
  await button(page, "Send").click();
  await expect.poll(bodies, PATIENCE).toEqual([`[${sample}]`]);
  await snapshot.fill('{\n  "InvoiceNumber": 1.0,\n}');
  await page.getByText("Line 3, column 1").waitFor();
  expect(await button(page, "Send").isDisabled()).toBe(true);
  const written = '{\n  "InvoiceNumber": 1.0\n}';
  await snapshot.fill(written);
  await button(page, "Send").click();
  await expect.poll(bodies, PATIENCE).toEqual([`[${sample}]`, `[${written}]`]);
});

test("the pages are accessible in both themes, and fit a window of 320 px", async () => {
  receiver.answer({ kind: "status", status: 500, body: Buffer.alloc(16_000, 0xff) });
  const { page, go } = await show(
    await deliver(INVOICE, { headers: { values: { [`x-${"long".repeat(15)}`]: "1" } } }),
  );
  await page.getByText("This is the beginning.").waitFor();
  const problems = await problemsOf(page, "delivery");
  await go((await page.locator('dd a[href^="/subscriptions/"]').getAttribute("href")) ?? "");
  await button(page, "Send").click();
  await page.getByRole("note", { name: "Hint" }).waitFor();
  await page.getByRole("tab", { name: "Java" }).click();
  await shownIn(page, "Receiver.java").waitFor();
  problems.push(...(await problemsOf(page, "subscription")));
  expectNone(problems);
});

type AxeResults = {
  violations: { id: string; impact: string; nodes: { target: string[]; failureSummary: string }[] }[];
};

/** Returns axe's serious findings in both themes, and whether the page is wider than the narrowest window. */
async function problemsOf(page: Page, name: string): Promise<string[]> {
  const problems: string[] = [];
  await page.evaluate(axe.source);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    const { violations } = (await page.evaluate("axe.run(document)")) as AxeResults;
    for (const { id, impact, nodes } of violations) {
      if (impact !== "serious" && impact !== "critical") continue;
      const places = nodes.map(({ target, failureSummary }) => `${target}: ${failureSummary}`);
      problems.push(`${name}, ${colorScheme}: ${id} at ${places.join("; ")}`);
    }
  }
  const size = page.viewportSize();
  await page.setViewportSize({ width: NARROWEST_PX, height: 740 });
  const wider = Number(await page.evaluate("document.documentElement.scrollWidth - screen.width"));
  if (wider > 0) problems.push(`${name} is ${wider} px wider than ${NARROWEST_PX} px`);
  if (size !== null) await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme: null });
  return problems;
}
