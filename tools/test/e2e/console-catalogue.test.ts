import { DeliveryState } from "@posthaste/contracts/delivery";
import { SchemaCheck } from "@posthaste/contracts/event_catalog";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { button, ConsoleFixture, PATIENCE, seriousProblems } from "./console-fixture.ts";
import { expectNone } from "./expect-none.ts";

/* Tests what the console changes in the catalogue and in subscriptions, in a real Chromium. */

const fixture = new ConsoleFixture();

const SCHEMA = {
  type: "object",
  required: ["ParcelID"],
  properties: { ParcelID: { type: "integer" }, Carrier: { enum: ["post", "bike"] } },
};
const PARCEL = { code: "parcel_sent", description: "A parcel was sent.", schema: SCHEMA };

const createParcel = () =>
  fixture.account.client.catalog.createEventType({
    ...PARCEL,
    sampleJson: '{"ParcelID":1,"Carrier":"post"}',
  });

const openPage = async (path: string, options: { dark?: boolean; narrow?: boolean } = {}) =>
  (await fixture.show({ token: fixture.account.token, path, ...options })).page;

/** How much wider the page is than the window, in pixels. */
const overflow = (page: Page) =>
  page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");

describe("the catalogue", () => {
  test("gets an event type with a key from the form, which says what is wrong while somebody types", async () => {
    const page = await openPage("/event-types");
    await page.getByRole("link", { name: "New event type" }).click();
    await page.getByLabel("Code").fill("invoice_sent");
    await page.getByText("the event type invoice_sent is built in").first().waitFor();
    await page.getByLabel("Code").fill("parcel_sent");
    await page.getByText("This event type can be created.").waitFor();
    await page
      .getByLabel("JSON Schema", { exact: true })
      .fill('{\n  "type": "object",\n  "nulable": true\n}');
    await page.getByText("/nulable is not a supported keyword").first().waitFor();
    await page.getByLabel("JSON Schema", { exact: true }).fill('{\n  "type" "object"\n}');
    await page.getByText("Line 2, column 10: a colon is missing.").waitFor();
    expect(await button(page, "Create event type").isDisabled()).toBe(true);
    await page.getByLabel("JSON Schema", { exact: true }).fill(JSON.stringify(SCHEMA));
    await page.getByText("must have required property 'ParcelID'").first().waitFor();
    await page.getByLabel("Sample", { exact: true }).fill('{"ParcelID": 12345678901234567890}');
    await page.getByText("/ParcelID", { exact: true }).click();
    await page.getByText("This event type can be created.").waitFor();
    await button(page, "Create event type").click();
    await page.getByRole("heading", { name: "parcel_sent" }).waitFor();
    const { eventType } = await fixture.account.client.catalog.getEventType({ code: "parcel_sent" });
    expect(eventType).toMatchObject({
      schema: SCHEMA,
      sampleJson: '{"ParcelID": 12345678901234567890}',
      keys: [{ pointer: "/ParcelID" }],
      version: 1,
    });
  });

  test("gets a new version, though it breaks receivers, only if the reader says so", async () => {
    await createParcel();
    const page = await openPage("/event-types/parcel_sent");
    await page.getByRole("link", { name: "Edit" }).click();
    const schema = page.getByLabel("JSON Schema", { exact: true });
    await schema.fill('{"type":"object","properties":{"ParcelID":{"type":"integer"}}}');
    await page.getByText("Receivers of version 1 could not read this:").waitFor();
    await page.getByText("was removed").waitFor();
    const store = button(page, "Store as version 2");
    expect(await store.isDisabled()).toBe(true);
    await schema.fill(JSON.stringify({ ...SCHEMA, title: "Parcel" }));
    await page.getByText("Receivers of version 1 can read this.").waitFor();
    await schema.fill('{"type":"object","properties":{"ParcelID":{"type":"integer"}}}');
    await page.getByText("was removed").waitFor();
    await page.getByText("Store it anyway: I have told the receivers").click();
    await store.click();
    await page.getByRole("link", { name: "Versions" }).click();
    await page.getByRole("cell", { name: "schema", exact: true }).waitFor();
    await page.getByLabel("Changes of the schema").getByText('"Carrier"').waitFor();
    expectNone(await seriousProblems(page));
  });

  test("archives an event type after a question", async () => {
    await createParcel();
    const page = await openPage("/event-types/parcel_sent");
    await button(page, "Archive").click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Archive" }).click();
    await page.getByText("Archived", { exact: true }).waitFor();
    expect(await page.getByRole("link", { name: "Edit" }).count()).toBe(0);
  });

  test.each([{}, { dark: true }, { narrow: true }])(
    "is edited on a page that is accessible and not wider than the window (%j)",
    async (options) => {
      await createParcel();
      const page = await openPage("/event-types/parcel_sent/edit", options);
      await page.getByLabel("Sample", { exact: true }).fill('{"ParcelID": "x"}');
      await page.getByText("/ParcelID must be integer").first().waitFor();
      if (options.narrow === true) await page.setViewportSize({ width: 320, height: 640 });
      expectNone(await seriousProblems(page));
      expect(await overflow(page)).toBe(0);
    },
  );
});

test("an event is sent by hand once, with its warnings, to as many subscriptions as the page has said", async () => {
  const { client } = fixture.account;
  await createParcel();
  await client.catalog.setSchemaCheck({ schemaCheck: SchemaCheck.WARN });
  await fixture.subscribe(fixture.receiver.url, ["parcel_sent"]);
  const page = await openPage("/event-types/parcel_sent");
  await button(page, "Send an event").click();
  await page.getByLabel("Snapshot", { exact: true }).fill('{"ParcelID": 1.0, "Carrier": "goat"}');
  await button(page, "Send…").click();
  await page.getByText("1 subscription gets it now.").waitFor();
  expectNone(await seriousProblems(page));
  await page.getByRole("alertdialog").getByRole("button", { name: "Send" }).dblclick();
  await page.getByText("Sent, with 1 delivery:").waitFor();
  await page.getByText("must be equal to one of the allowed values").waitFor();
  await page.getByRole("link", { name: /^evt_/ }).click();
  await page.getByRole("heading", { name: "parcel_sent" }).waitFor();
  const eventId = new URL(page.url()).pathname.split("/").at(-1) ?? "";
  await fixture.deliveryOf(eventId, DeliveryState.SUCCEEDED);
  expect(fixture.receiver.requests.map(({ body }) => body.toString())).toEqual([
    '[{"ParcelID": 1.0, "Carrier": "goat"}]',
  ]);
});

test("every setting of a subscription is set and cleared in its form, and headers keep their values", async () => {
  const { client } = fixture.account;
  const { subscription } = await client.subscriptions.createSubscription({
    targetUrl: fixture.receiver.url,
    eventTypes: ["invoice_sent"],
    secret: "user:hush",
    metadata: { values: { team: "a" } },
    headers: { values: { "x-kept": "1", "x-new": "2", "x-gone": "3" } },
  });
  const id = subscription?.id ?? 0;
  const page = await openPage(`/subscriptions/${id}`);
  await button(page, "Edit").click();
  await page.getByText("More options").click();
  await page.getByLabel("Value of header x-new").fill("4");
  await button(page, "Remove header x-gone").click();
  await button(page, "Add a header").click();
  await page.getByLabel("Name of header 3").fill("X-More");
  await page.getByLabel("Value of header X-More").fill("5");
  await button(page, "Remove entry team").click();
  await button(page, "Add an entry").click();
  await page.getByLabel("Name of entry 1").fill("tier");
  await page.getByLabel("Value of entry tier").fill("gold");
  await page.getByText("Remove the receiver credential").click();
  await page.getByLabel("Attempts per second").fill("5");
  await page.getByLabel("Burst").fill("20");
  expectNone(await seriousProblems(page));
  await button(page, "Save").click();
  await page.getByText("5 per second, burst of 20").waitFor();
  const { subscription: saved } = await client.subscriptions.getSubscription({ id });
  expect(saved).toMatchObject({
    hasSecret: false,
    metadata: { tier: "gold" },
    headerNames: ["x-kept", "x-more", "x-new"],
    rateLimit: { perSecond: 5, burst: 20 },
  });
  await fixture.deliveryOf(await fixture.ingest(), DeliveryState.SUCCEEDED);
  expect(fixture.receiver.requests[0]?.headers).toMatchObject({ "x-kept": "1", "x-new": "4", "x-more": "5" });
  expect(fixture.receiver.requests[0]?.headers).not.toHaveProperty("authorization");
});

describe("a bar of a chart leads to the deliveries of its time", () => {
  test("by a key on the overview, and by a click on a subscription's page", async () => {
    const id = await fixture.subscribe(fixture.receiver.url);
    const delivery = await fixture.deliveryOf(await fixture.ingest(), DeliveryState.SUCCEEDED);
    const page = await openPage("/");
    const bars = page.getByRole("slider", { name: "Attempts over time" });
    await bars.focus();
    await bars.press("End");
    await bars.press("Enter");
    await page.waitForURL(/\/deliveries\?since=/);
    await page.locator(`a[href="/deliveries/${delivery?.id}"]`).waitFor();

    await page.goto(new URL(`/subscriptions/${id}`, page.url()).href);
    await bars.waitFor();
    expectNone(await seriousProblems(page));
    await bars.locator(".u-over").click();
    await page.waitForURL(/\/deliveries\?/);
    expect(new URL(page.url()).searchParams.get("subscription")).toBe(String(id));
    await page.locator(`a[href="/deliveries/${delivery?.id}"]`).waitFor(PATIENCE);
  });
});
