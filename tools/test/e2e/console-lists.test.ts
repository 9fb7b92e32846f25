import { setTimeout } from "node:timers/promises";
import { DeliveryState } from "@posthaste/contracts/delivery";
import type { AccountId } from "@posthaste/domain";
import { createSubscription, type Store, setLane } from "@posthaste/store";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { button, ConsoleFixture, PATIENCE, seriousProblems } from "./console-fixture.ts";
import { expectNone } from "./expect-none.ts";
import { insertDeliveries } from "./many-deliveries.ts";

/* Tests what the console's lists and numbers say, in a real Chromium with the real API and worker. */

const fixture = new ConsoleFixture();

test("dates and numbers are in English and in the reader's zone, whatever the browser's language", async () => {
  await fixture.subscribe(fixture.receiver.url);
  const delivery = await fixture.deliveryOf(await fixture.ingest(), DeliveryState.SUCCEEDED);
  const { page } = await fixture.show({
    token: fixture.account.token,
    path: `/deliveries/${delivery?.id}`,
    locale: "de-DE",
    timeZone: "Asia/Tokyo",
  });
  const at = new Date(Number(delivery?.createdAt?.seconds ?? 0n) * 1_000);
  const inTokyo = at.toLocaleString("en-GB", {
    dateStyle: "medium",
    timeStyle: "medium",
    timeZone: "Asia/Tokyo",
  });
  expect(await page.locator("time").first().textContent()).toBe(inTokyo);
});

test("what has happened is never shown as ahead, though the browser's clock is behind", async () => {
  await fixture.subscribe(fixture.receiver.url);
  await fixture.deliveryOf(await fixture.ingest(), DeliveryState.SUCCEEDED);
  const { page, go } = await fixture.show({ token: fixture.account.token });
  await page.clock.setFixedTime(Date.now() - 30_000);
  await go("/deliveries");
  const created = page.getByRole("row").nth(1).locator("time").filter({ visible: true });
  expect(await created.textContent()).toBe("now");
});

/** The addresses of the rows' links, in their order. */
async function links(page: Page): Promise<string[]> {
  return (await page.evaluate(
    `[...document.querySelectorAll("tbody a")].map((link) => link.getAttribute("href"))`,
  )) as string[];
}

async function choose(page: Page, label: string, option: string): Promise<void> {
  await page.getByRole("button", { name: new RegExp(label) }).click();
  await page.getByRole("option", { name: option }).click();
}

describe("the address of a list", () => {
  test("holds the page of the deliveries: Back, a reload and another tab show the same", async () => {
    const { account, stack } = fixture;
    const subscriptionId = await fixture.subscribe(fixture.receiver.url);
    await insertDeliveries(stack.store, { accountId: account.id, subscriptionId, count: 130 });
    const { page } = await fixture.show({ token: account.token, path: "/deliveries" });
    const shows = async (expected: readonly string[], of = page) =>
      await expect.poll(() => links(of), PATIENCE).toEqual(expected);
    await page.getByText("Page 1", { exact: true }).waitFor();
    await expect.poll(async () => (await links(page)).length, PATIENCE).toBe(50);
    const first = await links(page);
    await button(page, "Older").click();
    await page.getByText("Page 2", { exact: true }).waitFor();
    await expect.poll(async () => (await links(page))[0], PATIENCE).not.toBe(first[0]);
    const second = await links(page);

    await page.getByRole("row").nth(1).getByRole("link").click();
    await page.getByRole("heading", { name: "Timeline" }).waitFor();
    await page.goBack();
    await shows(second);
    await page.reload();
    await shows(second);
    await page.getByText("Page 2", { exact: true }).waitFor();
    const { pathname, search } = new URL(page.url());
    const { page: tab } = await fixture.show({ token: account.token, path: pathname + search });
    await shows(second, tab);

    await button(page, "Newer").click();
    await shows(first);
    await page.getByText("Page 1", { exact: true }).waitFor();
    // This tab has no newer page to go back to.
    await button(tab, "Newest").click();
    await shows(first, tab);
  });

  test("means the same times in Kolkata and New York", async () => {
    const { account, stack } = fixture;
    const subscriptionId = await fixture.subscribe(fixture.receiver.url);
    await insertDeliveries(stack.store, { accountId: account.id, subscriptionId, count: 180 });
    const minute = Math.floor(Date.now() / 60_000) * 60_000;
    const [from, before] = [minute - 60_000, minute];
    const kolkata = { token: account.token, timeZone: "Asia/Kolkata" };
    const { page } = await fixture.show({ ...kolkata, path: "/deliveries" });
    await page.getByText("Page 1", { exact: true }).waitFor();
    await choose(page, "Time", "Custom range");
    await page.getByLabel("From").fill(inZone("Asia/Kolkata", from));
    await page.getByLabel("Before").fill(inZone("Asia/Kolkata", before));
    const { pathname, search } = new URL(page.url());
    expect(decodeURIComponent(search)).toContain(
      `since=${new Date(from).toISOString()}~${new Date(before).toISOString()}`,
    );
    const { page: abroad } = await fixture.show({
      token: account.token,
      path: pathname + search,
      timeZone: "America/New_York",
    });
    await expect.poll(async () => (await links(abroad)).length, PATIENCE).toBe(50);
    expect(await abroad.getByLabel("From").inputValue()).toBe(inZone("America/New_York", from));
    await expect.poll(async () => await links(page), PATIENCE).toEqual(await links(abroad));

    // The choice of a range is one step back, however much was typed into its fields.
    await page.goBack();
    await page.waitForURL("**/deliveries");
  });

  test("holds the page of the subscriptions, too", async () => {
    const { account, stack } = fixture;
    for (let i = 0; i < 60; i += 1) await insertSubscription(stack.store, account.id, i);
    const { page } = await fixture.show({ token: account.token, path: "/subscriptions" });
    await expect.poll(async () => (await links(page)).length, PATIENCE).toBe(50);
    await button(page, "Newer").click();
    await expect.poll(async () => (await links(page)).length, PATIENCE).toBe(10);
    const second = await links(page);
    await page.getByRole("row").nth(1).getByRole("link").click();
    await page.getByRole("heading", { name: "Settings" }).waitFor();
    await page.goBack();
    await expect.poll(() => links(page), PATIENCE).toEqual(second);
    await button(page, "Older").click();
    await expect.poll(async () => (await links(page)).length, PATIENCE).toBe(50);
  });

  test("is a step of the history for each filter", async () => {
    const { page } = await fixture.show({ token: fixture.account.token, path: "/deliveries" });
    await choose(page, "State", "Exhausted or failed");
    await page.waitForURL("**/deliveries?state=exhausted");
    await choose(page, "Time", "Last hour");
    await page.waitForURL("**/deliveries?state=exhausted&since=1h");
    await page.goBack();
    await page.waitForURL("**/deliveries?state=exhausted");
    await page.goBack();
    await page.waitForURL("**/deliveries");
  });
});

/** Creates a subscription whose host does not answer. */
async function insertSubscription(store: Store, accountId: AccountId, number: number): Promise<void> {
  await createSubscription(store, {
    accountId,
    targetUrl: `https://${number}.many.example/`,
    eventTypes: ["invoice_sent"],
    acceptance: "OK_ONLY",
    credential: null,
    timeoutMs: null,
    now: Date.now(),
  });
}

/** A time as a `datetime-local` field of this zone holds it. */
function inZone(timeZone: string, at: number): string {
  return new Date(at).toLocaleString("sv-SE", { timeZone }).replace(" ", "T").slice(0, 16);
}

test("the filter of states has the names that the rows show", async () => {
  fixture.receiver.answer({ kind: "status", status: 503 });
  await fixture.subscribe(fixture.receiver.url);
  await fixture.deliveryOf(await fixture.ingest(), DeliveryState.STARTED);
  const { page } = await fixture.show({ token: fixture.account.token, path: "/deliveries" });
  const row = page.getByRole("row").filter({ hasText: "Retrying" });
  await row.waitFor();
  await choose(page, "State", "In progress or retrying");
  await page.waitForURL("**/deliveries?state=started");
  await row.waitFor();
});

/** React Aria hides the page behind an open list, which axe's other rules take for a fault. */
const OPEN_LIST_RULES = ["color-contrast", "label-content-name-mismatch", "aria-required-children"];

describe("a choice of subscriptions", () => {
  test("finds one beyond the first 500, and tells those with the same URL apart", async () => {
    const { account, stack } = fixture;
    const { subscriptions } = account.client;
    const targetUrl = fixture.receiver.url;
    await subscriptions.createSubscription({
      targetUrl,
      eventTypes: ["invoice_sent"],
      description: "Ledger",
    });
    for (let i = 0; i < 500; i += 1) {
      await insertSubscription(stack.store, account.id, i);
    }
    const twin = await fixture.subscribe(targetUrl, ["contact_created"]);
    const { page } = await fixture.show({ token: account.token, path: "/deliveries" });
    for (const path of ["/deliveries", "/recover"]) {
      await page.evaluate(`history.pushState(null, "", "${path}")`);
      const input = page.getByRole("combobox", { name: "Subscription" });
      await input.fill(new URL(targetUrl).host);
      const options = page.getByRole("option");
      await expect.poll(() => options.count(), PATIENCE).toBe(2);
      await options.filter({ hasText: "Ledger" }).waitFor();
      expectNone(await seriousProblems(page, OPEN_LIST_RULES));
      await page.getByRole("option", { name: `ID ${twin}` }).click();
      expect(await input.inputValue()).toContain(`ID ${twin}`);
      expectNone(await seriousProblems(page));
    }
    await page.goBack();
    await page.waitForURL(`**/deliveries?subscription=${twin}`);
  });
});

describe("the live list", () => {
  const AT_ONCE = 25;
  const EVENTS_PER_SECOND = 50;

  /** Ingests events at this rate until it is stopped. */
  function ingestSteadily(): { stop(): Promise<void> } {
    const { events } = fixture.account.client;
    let isStopped = false;
    const event = { eventType: "invoice_sent", snapshot: { case: "dataJson" as const, value: "{}" } };
    const ingesting = (async () => {
      while (!isStopped) {
        const pause = setTimeout((1_000 * AT_ONCE) / EVENTS_PER_SECOND);
        await events.ingestEvents({ events: Array.from({ length: AT_ONCE }, () => event) });
        await pause;
      }
    })();
    return {
      stop: async () => {
        isStopped = true;
        await ingesting;
      },
    };
  }

  test("holds still under the pointer: of 20 clicks amid 50 events a second, 20 open the row", async () => {
    await fixture.subscribe(fixture.receiver.url);
    const load = ingestSteadily();
    try {
      const { page } = await fixture.show({ token: fixture.account.token, path: "/deliveries" });
      const opened: string[] = [];
      const pointedAt: string[] = [];
      for (let i = 0; i < 20; i += 1) {
        const row = page.getByRole("row").nth(1 + (i % 8));
        await row.hover();
        pointedAt.push(String(await row.getByRole("link").getAttribute("href")));
        await button(page, /^\d+\+? new$/).waitFor();
        await page.mouse.down();
        await page.mouse.up();
        await page.getByRole("heading", { name: "Timeline" }).waitFor();
        opened.push(new URL(page.url()).pathname);
        await page.goBack();
        await page.getByRole("row").nth(9).waitFor();
      }
      expect(opened).toEqual(pointedAt);
    } finally {
      await load.stop();
    }
  });

  test("updates held rows in place, and shows what is new on demand", async () => {
    fixture.receiver.answer({ kind: "status", status: 503 });
    await fixture.subscribe(fixture.receiver.url);
    const delivery = await fixture.deliveryOf(await fixture.ingest(), DeliveryState.STARTED);
    const { page } = await fixture.show({ token: fixture.account.token, path: "/deliveries" });
    const rows = page.locator("tbody tr");
    await rows.first().hover();
    await rows.filter({ hasText: "Retrying" }).waitFor();

    fixture.receiver.answer({ kind: "status", status: 200 });
    // So many that the held row is on no first page any more. As workflows, they would take long.
    await setLane(fixture.stack.store, { id: fixture.account.id, lane: "direct", now: Date.now() });
    const event = { eventType: "invoice_sent", snapshot: { case: "dataJson" as const, value: "{}" } };
    await fixture.account.client.events.ingestEvents({ events: Array.from({ length: 60 }, () => event) });
    await button(page, "50+ new").waitFor();
    await fixture.account.client.deliveries.retryDelivery({ id: delivery?.id ?? "" });
    await rows.filter({ hasText: "Succeeded" }).waitFor();
    expect(await links(page)).toEqual([`/deliveries/${delivery?.id}`]);

    await button(page, "50+ new").click();
    await expect.poll(() => rows.count(), PATIENCE).toBe(50);
    expect(await button(page, /new$/).count()).toBe(0);
  });

  test("holds while it is scrolled or has the focus, and goes on after that", async () => {
    const { account, stack } = fixture;
    const subscriptionId = await fixture.subscribe(fixture.receiver.url);
    await insertDeliveries(stack.store, { accountId: account.id, subscriptionId, count: 50 });
    const { page } = await fixture.show({ token: account.token, path: "/deliveries" });
    await page.getByText("Live", { exact: true }).waitFor();
    await page.getByRole("row").nth(50).waitFor();
    const before = await links(page);
    await page.evaluate("scrollTo(0, document.body.scrollHeight)");
    await fixture.ingest();
    await button(page, "1 new").waitFor();
    expect(await links(page)).toEqual(before);
    await page.evaluate("scrollTo(0, 0)");
    await expect.poll(async () => (await links(page))[1], PATIENCE).toBe(before[0]);

    await page.getByRole("row").nth(3).getByRole("link").focus();
    await fixture.ingest();
    await button(page, "1 new").waitFor();
    expect((await links(page))[1]).toBe(before[0]);
  });
});

test("a long target is shown in full where there is room, and never wider than the window", async () => {
  const { account, stack } = fixture;
  const targetUrl = `https://hooks.long-name.example/api/v2/${"segment-".repeat(12)}`;
  const subscriptionId = await fixture.subscribe(targetUrl, ["*"]);
  await insertDeliveries(stack.store, { accountId: account.id, subscriptionId, count: 3 });
  await stack.store.db
    .updateTable("subscriptions")
    .set({ failing_since: Date.now() })
    .where("id", "=", subscriptionId)
    .execute();
  const { page, go } = await fixture.show({ token: account.token });
  const lists = ["/", "/subscriptions", "/deliveries"];
  for (const path of [...lists, "/event-types/invoice_sent"]) {
    for (const width of [1600, 390, 320]) {
      await page.setViewportSize({ width, height: 800 });
      await go(path);
      const target = page.getByText("hooks.long-name.example").filter({ visible: true }).first();
      await target.waitFor();
      const wider = await page.evaluate("document.documentElement.scrollWidth - screen.width");
      expect(wider, `px that ${path} is wider than ${width} px`).toBeLessThanOrEqual(0);
      const titles = `[...document.querySelectorAll("tbody a")].map(({ title }) => title)`;
      expect(String(await page.evaluate(titles))).toContain("segment-segment-");
      if (width === 1600 && lists.includes(path))
        expect(await isCut(page), `${path} cuts the target`).toBe(false);
    }
  }
});

/** Returns whether a cell of the page's table shows less than its text. */
async function isCut(page: Page): Promise<boolean> {
  return Boolean(
    await page.evaluate(`[...document.querySelectorAll("tbody td, tbody td span")].some(
      ({ className, clientWidth, clientHeight, scrollWidth, scrollHeight }) =>
        !className.includes("hidden") && (scrollWidth > clientWidth + 1 || scrollHeight > clientHeight + 1)
        && clientWidth > 0,
    )`),
  );
}

test("a window of 320 px has room for the targets of every table", async () => {
  const url = `${fixture.receiver.url}/webhooks/foxglove/ledger-north`;
  const id = await fixture.subscribe(url);
  const eventId = await fixture.ingest();
  await fixture.deliveryOf(eventId, DeliveryState.SUCCEEDED);
  await fixture.stack.store.db
    .updateTable("subscriptions")
    .set({ failing_since: Date.now() - 60_000 })
    .where("id", "=", id)
    .execute();
  const { page, go } = await fixture.show({ token: fixture.stack.token, path: "/favicon.svg", narrow: true });
  const cut: string[] = [];
  const look = async (path: string) => {
    await go(path);
    // The list of deliveries leaves its scheme out.
    const name = url.slice("http://".length);
    await page.getByRole("row").getByText(name).filter({ visible: true }).first().waitFor();
    const isWhole = await page.evaluate(`[...document.querySelectorAll("td span")].some((element) =>
      element.textContent.endsWith(${JSON.stringify(name)}) && element.clientWidth > 0 &&
      element.scrollWidth <= element.clientWidth && element.scrollHeight <= element.clientHeight &&
      element.getBoundingClientRect().right <= innerWidth)`);
    if (!isWhole) cut.push(path);
  };
  await look("/operator");
  await page.evaluate(`sessionStorage.setItem("posthaste.token", ${JSON.stringify(fixture.account.token)})`);
  for (const path of [
    "/",
    "/subscriptions",
    "/deliveries",
    "/search?q=ledger-north",
    "/event-types/invoice_sent",
    `/events/${eventId}`,
  ]) {
    await look(path);
  }
  expectNone(cut);
});
