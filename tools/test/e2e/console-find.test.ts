import { DeliveryState } from "@posthaste/contracts/delivery";
import { expect, test, vi } from "vitest";
import { button, ConsoleFixture, PATIENCE, seriousProblems } from "./console-fixture.ts";
import { expectNone } from "./expect-none.ts";
import { insertEvents } from "./many-events.ts";

/* Tests that a reader finds events, deliveries and subscriptions, in a real Chromium against real parts. */

const t = new ConsoleFixture();
const MANY = 100_000;

test("an event is found by its invoice number among 100,000, with who got it", async () => {
  await insertEvents(t.stack.store, { accountId: t.account.id, count: MANY });
  await t.subscribe(t.receiver.url);
  const eventId = await t.ingest('{"InvoiceNumber":"INV-2026/7","Total":1}');
  await t.deliveryOf(eventId, DeliveryState.SUCCEEDED);
  const { page } = await t.show({ token: t.account.token });
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("INV-2026/7");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/search?q=INV-2026%2F7");
  expectNone(await seriousProblems(page));
  await page.getByRole("link", { name: new RegExp(`invoice_sent.*${eventId}`) }).click();
  await page.waitForURL(`**/events/${eventId}`);
  await page.getByRole("heading", { name: "Deliveries: 1 succeeded" }).waitFor();
  await page.getByText('"INV-2026/7"').waitFor();
  const key = page.getByRole("link", { name: "INV-2026/7", exact: true });
  expect(await key.getAttribute("href")).toBe("/events?key=INV-2026%2F7");
  await button(page, "Copy idempotency key").waitFor();
  expectNone(await seriousProblems(page));
  await page.getByRole("link", { name: /127\.0\.0\.1/ }).click();
  await page.getByRole("heading", { name: "Attempt 1" }).waitFor();
  await page.getByRole("link", { name: eventId }).click();
  await page.waitForURL(`**/events/${eventId}`);
}, 120_000);

test("ids lead to their pages, and a host to its subscriptions", async () => {
  const id = await t.subscribe(t.receiver.url);
  const eventId = await t.ingest();
  const delivery = await t.deliveryOf(eventId, DeliveryState.SUCCEEDED);
  const { page } = await t.show({ token: t.account.token });
  const search = async (text: string) => {
    await page.getByRole("searchbox", { name: "Search" }).fill(text);
    await page.keyboard.press("Enter");
  };
  await search(eventId.toUpperCase().replace("EVT", "evt"));
  await page.waitForURL(`**/events/${eventId}`);
  await search(` ${delivery?.id} `);
  await page.waitForURL(`**/deliveries/${delivery?.id}`);
  await search(new URL(t.receiver.url).host);
  await page.getByRole("link", { name: t.receiver.url }).click();
  await page.waitForURL(`**/subscriptions/${id}`);
  await search("nothing is called this");
  await page.getByText("Nothing was found for “nothing is called this”").waitFor();
  await page.getByText("Search for the ID of an event or a delivery").waitFor();
  expect(await page.locator("main h2").count()).toBe(0);
  // What has no hit takes no room beside what has one.
  await search(new URL(t.receiver.url).host);
  await page.getByRole("link", { name: t.receiver.url }).waitFor();
  await expect
    .poll(() => page.locator("main h2").allTextContents(), PATIENCE)
    .toEqual(["Subscriptions to such a URL"]);
});

test("the search box shows what was searched for, so that a typo can be corrected", async () => {
  await t.subscribe(t.receiver.url);
  const eventId = await t.ingest('{"InvoiceNumber":"INV-1045"}');
  const { page } = await t.show({ token: t.account.token, path: "/search?q=INV-10450" });
  const box = page.getByRole("searchbox", { name: "Search" });
  await page.getByText("Results for “INV-10450”").waitFor();
  await expect.poll(() => box.inputValue(), PATIENCE).toBe("INV-10450");
  await page.keyboard.press("/");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Backspace");
  await page.keyboard.press("Enter");
  await page.getByText("Results for “INV-1045”").waitFor();
  await page.goBack();
  await expect.poll(() => box.inputValue(), PATIENCE).toBe("INV-10450");
  await page.goForward();
  // A phone shows which event it is, too.
  await page.setViewportSize({ width: 320, height: 740 });
  await page.getByRole("cell", { name: eventId, exact: true }).waitFor();
  await page.getByRole("link", { name: new RegExp(eventId) }).click();
  await page.waitForURL(`**/events/${eventId}`);
  await expect.poll(() => box.inputValue(), PATIENCE).toBe("");
});

test("events are listed by type, by idempotency key and by the value of a key, in an address to share", async () => {
  const { events } = t.account.client;
  const ingest = async (eventType: string, json: string, idempotencyKey = "") =>
    await events.ingestEvent({
      ...{ eventType, idempotencyKey, snapshot: { case: "dataJson", value: json } },
    });
  const { eventId } = await ingest("invoice_sent", '{"InvoiceNumber":"A-1"}', "key-1");
  await ingest("contact_created", "{}");
  const { page } = await t.show({ token: t.account.token, path: "/events" });
  const rows = page.locator("tbody tr");
  await expect.poll(() => rows.count(), PATIENCE).toBe(2);
  await page.getByLabel("Idempotency key").fill("key-1");
  await expect.poll(() => rows.count(), PATIENCE).toBe(1);
  await button(page, "Clear filters").click();
  await page.getByLabel("Value of a key").fill("A-1");
  await expect.poll(() => rows.count(), PATIENCE).toBe(1);
  await rows.getByText(eventId).first().waitFor();
  expect(new URL(page.url()).search).toBe("?key=A-1");
  await page.getByLabel("Value of a key").fill("A-2");
  await page.getByText("No events match").waitFor();
  await page.reload();
  await page.getByText("No events match").waitFor();
});

test("the actions open with a key, and lead where their name says", async () => {
  const { page } = await t.show({ token: t.account.token });
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("dialog", { name: "Actions" }).waitFor();
  expectNone(await seriousProblems(page));
  await page.keyboard.type("new subs");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/subscriptions/new");
  await page.keyboard.press("Control+k");
  await page.getByRole("dialog", { name: "Actions" }).waitFor();
  await page.keyboard.press("Escape");
  await expect.poll(() => page.getByRole("dialog").count(), PATIENCE).toBe(0);
});

test("an event is sent to all of its subscriptions again, once it was asked", async () => {
  await t.subscribe(t.receiver.url);
  await t.subscribe(`${t.receiver.url}second`);
  const eventId = await t.ingest();
  await vi.waitFor(() => expect(t.receiver.requests).toHaveLength(2), PATIENCE);
  const { page } = await t.show({ token: t.account.token, path: `/events/${eventId}` });
  await page.getByRole("heading", { name: "Deliveries: 2 succeeded" }).waitFor();
  await button(page, /Send to all again/).click();
  await page.getByText("These deliveries were accepted.").waitFor();
  await page.getByRole("dialog").getByText("2 deliveries to send.").waitFor();
  expect(t.receiver.requests).toHaveLength(2);
  await button(page, "Send 2").click();
  await page.getByRole("dialog").getByText("2 sent").waitFor();
  await button(page, "Close").click();
  await vi.waitFor(() => expect(t.receiver.requests).toHaveLength(4), PATIENCE);
  await page.getByRole("heading", { name: "Deliveries: 4 succeeded" }).waitFor();
}, 60_000);
