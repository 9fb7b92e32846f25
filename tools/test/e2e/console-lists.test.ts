import { DeliveryState } from "@posthaste/contracts/delivery";
import { expect, test } from "vitest";
import { ConsoleFixture } from "./console-fixture.ts";

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
