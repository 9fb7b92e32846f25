import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { ConsoleFixture, LAYOUT_SHIFTS, PATIENCE } from "./console-fixture.ts";

/* Tests what the console's numbers and charts say, in a real Chromium with the real API and worker. */

const QUARTER_MS = 900_000;
const QUARTERS_OF_DAY = 97;
const fixture = new ConsoleFixture();

/** Writes the counters of these quarters of an hour, counted back from the current one. */
async function count(quarters: readonly number[], counts: { accepted: number; took?: readonly number[] }) {
  const current = Math.floor(Date.now() / QUARTER_MS) * QUARTER_MS;
  const { accepted, took = [accepted, ...Array<number>(13).fill(0)] } = counts;
  const rows = quarters.map((quarter) => ({
    account_id: fixture.account.id,
    span_ms: QUARTER_MS,
    from_at: current - quarter * QUARTER_MS,
    events: 1,
    deliveries: accepted,
    succeeded: accepted,
    failed: 0,
    attempts: accepted,
    accepted,
    took: JSON.stringify(took),
  }));
  const { db } = fixture.stack.store;
  await db.deleteFrom("statistics").where("account_id", "=", fixture.account.id).execute();
  await db.insertInto("statistics").values(rows).execute();
}

const chart = (page: Page, name: string) => page.getByRole("figure", { name });

describe("a chart", () => {
  test("reads out the current values under a pointer that does not move", async () => {
    const wholeDay = Array.from({ length: QUARTERS_OF_DAY }, (_, quarter) => quarter);
    await count(wholeDay, { accepted: 3 });
    const { page } = await fixture.show({ token: fixture.account.token });
    const attempts = chart(page, "Attempts over time");
    await attempts.locator(".u-over").hover();
    await attempts.getByText("Accepted 3").waitFor();
    await count(wholeDay, { accepted: 5 });
    await attempts.getByText("Accepted 5").waitFor();
  });

  test("shows the latency of a lone interval as a point", async () => {
    await count([40], { accepted: 3 });
    const { page } = await fixture.show({ token: fixture.account.token });
    await chart(page, "Latency over time").locator("canvas").waitFor();
    // The chart's colours of the median and of p95, in the light theme.
    for (const color of ["79,93,240", "217,138,31"]) {
      await expect.poll(() => pixels(page, "Latency over time", color), PATIENCE).toBeGreaterThan(0);
    }
  });

  test("says of a long latency what is known: that it is over 15 s", async () => {
    // Three attempts timed out at 15 s. The counters only know that they took up to 30 s.
    await count([40], { accepted: 3, took: [...Array<number>(12).fill(0), 3, 0] });
    const { page } = await fixture.show({ token: fixture.account.token });
    await page.locator("dd").getByText("over 15 s", { exact: true }).waitFor();
    await page.getByText("median over 15 s").waitFor();
    await chart(page, "Latency over time").getByRole("cell", { name: "over 15 s" }).first().waitFor();
    expect(await page.getByText("29.").count()).toBe(0);
  });
});

test("while the statistics cannot be read, the overview does not say that nothing waits", async () => {
  const { page, go } = await fixture.show({ token: fixture.account.token, path: "/event-types" });
  await page.route(/GetStatistics/, (route) => route.fulfill({ status: 500 }));
  await go("/");
  await page.getByRole("alert").waitFor();
  const backlog = page.locator("dl > div").filter({ hasText: "Backlog" });
  expect(await backlog.textContent()).toBe("Backlog–not known");
});

test("the subscription that fails for the longest comes first, though it was created last", async () => {
  const { store } = fixture.stack;
  for (let i = 1; i <= 12; i += 1) {
    const id = await fixture.subscribe(`${fixture.receiver.url}/${i}`);
    await store.db
      .updateTable("subscriptions")
      .set({ failing_since: Date.now() - i * QUARTER_MS })
      .where("id", "=", id)
      .execute();
  }
  const { page } = await fixture.show({ token: fixture.account.token });
  const targets = page.getByRole("row").getByRole("link");
  await expect.poll(() => targets.first().textContent(), PATIENCE).toBe(`${fixture.receiver.url}/12`);
  expect(await targets.count()).toBe(10);
  await page.getByText("The longest failing 10 of 12.").waitFor();
});

test("nothing moves when the failing subscriptions come last", async () => {
  await count([40], { accepted: 3 });
  const id = await fixture.subscribe(fixture.receiver.url);
  await fixture.stack.store.db
    .updateTable("subscriptions")
    .set({ failing_since: Date.now() - QUARTER_MS })
    .where("id", "=", id)
    .execute();
  const { page, go } = await fixture.show({ token: fixture.account.token, path: "/favicon.svg" });
  await page.addInitScript(LAYOUT_SHIFTS);
  const { promise: areCounted, resolve: letThemCome } = Promise.withResolvers<void>();
  await page.route(/ListSubscriptions/, async (route) => {
    await areCounted;
    await route.continue();
  });
  await go("/");
  await page.getByText("of 3 attempts").waitFor();
  letThemCome();
  await page.getByRole("heading", { name: "Failing subscriptions" }).waitFor();
  await chart(page, "Attempts over time").locator("canvas").waitFor();
  // Less than a line of text.
  expect(Number(await page.evaluate("layoutShift"))).toBeLessThan(0.01);
});

test("a subscription without attempts has an empty health bar", async () => {
  const id = await fixture.subscribe(fixture.receiver.url);
  const { page } = await fixture.show({ token: fixture.account.token, path: `/subscriptions/${id}` });
  await page.getByText("no attempts for its recent deliveries").waitFor();
  expect(await page.evaluate(`document.querySelector("meter").value`)).toBe(0);
});

/** Counts the pixels of a chart's canvas that have this colour. */
async function pixels(page: Page, name: string, color: string): Promise<number> {
  return Number(
    await page.evaluate(`{
      const canvas = document.querySelector('figure[aria-label="${name}"] canvas');
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let found = 0;
      for (let i = 0; i < data.length; i += 4) {
        if ([data[i], data[i + 1], data[i + 2]].join() === "${color}") found += 1;
      }
      found;
    }`),
  );
}
