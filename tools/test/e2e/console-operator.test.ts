import { DeliveryState } from "@posthaste/contracts/delivery";
import type { Page } from "playwright-core";
import { expect, test, vi } from "vitest";
import { button, ConsoleFixture, PATIENCE, seriousProblems } from "./console-fixture.ts";
import { expectNone } from "./expect-none.ts";

/* Tests what an operator sees of all accounts, in a real Chromium against real parts. */

const t = new ConsoleFixture();

const placesOf = (page: Page) => page.getByRole("navigation", { name: "Main" });

/** Lets the only delivery of an account fail at first, so that it waits for a retry. */
async function failOnce(): Promise<number> {
  t.receiver.answer({ kind: "status", status: 503 });
  const id = await t.subscribe(t.receiver.url);
  await t.deliveryOf(await t.ingest(), DeliveryState.STARTED);
  t.receiver.answer({ kind: "status", status: 200 });
  return id;
}

test("an operator sees another account's failing subscription, why it fails, and sends what waits", async () => {
  await failOnce();
  const { page } = await t.show({ token: t.stack.token, path: "/operator" });
  await page.getByText("Answers").first().waitFor();
  const row = page.getByRole("row", { name: new RegExp(t.receiver.url) });
  await row.getByText(`Foxglove & Quill (${t.account.id})`).waitFor();
  await row.getByText("Status 503").waitFor();
  expectNone(await seriousProblems(page));
  await row.getByRole("button", { name: /Send what waits/ }).click();
  await page.getByRole("dialog").getByText("1 delivery to send.").waitFor();
  await button(page, "Send 1").click();
  await page.getByRole("dialog").getByText("1 sent").waitFor();
  await button(page, "Close").click();
  await vi.waitFor(() => expect(t.receiver.requests).toHaveLength(2), PATIENCE);
  await expect.poll(() => row.count(), PATIENCE).toBe(0);
}, 60_000);

test("a dialog stays open, with what it showed, when its subscription leaves the list of failing ones", async () => {
  await failOnce();
  const lists = [
    {
      page: (await t.show({ token: t.stack.token, path: "/operator" })).page,
      call: "ListFailingSubscriptions",
    },
    { page: (await t.show({ token: t.account.token })).page, call: "ListSubscriptions" },
  ];
  const rowIn = (page: Page) => page.getByRole("row", { name: new RegExp(t.receiver.url) });
  for (const { page } of lists) {
    await rowIn(page)
      .getByRole("button", { name: /Send what waits/ })
      .click();
    await page.getByRole("dialog").getByText("1 delivery to send.").waitFor();
  }
  // Another account's subscriptions may be failing as well.
  const hasLeft = lists.map(({ page, call }) =>
    page.waitForResponse(async (response) => {
      return response.url().endsWith(call) && !(await response.text()).includes(t.receiver.url);
    }),
  );
  const { deliveries } = await t.account.client.deliveries.listDeliveries({});
  await t.account.client.deliveries.retryDelivery({ id: deliveries[0]?.id ?? "" });
  await Promise.all(hasLeft);
  for (const { page } of lists) {
    await page.getByRole("dialog").getByText("1 delivery to send.").waitFor();
    await button(page, "Cancel").click();
    await expect.poll(() => rowIn(page).count(), PATIENCE).toBe(0);
  }
}, 60_000);

test("an operator acts in an account, also in a new tab and after a reload, and leaves it", async () => {
  const id = await failOnce();
  const { page } = await t.show({ token: t.stack.token, path: "/operator/accounts" });
  const row = page.getByRole("row", { name: /Foxglove & Quill/ }).last();
  await row.getByRole("button", { name: "Act in it" }).click();
  await page.getByText("You act in Foxglove & Quill").waitFor();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.getByRole("link", { name: "Subscriptions", exact: true }).click();
  await page.getByRole("link", { name: new RegExp(t.receiver.url) }).click();
  await page.waitForURL(`**/subscriptions/${id}`);
  await page.reload();
  await page.getByText("You act in Foxglove & Quill").waitFor();
  await button(page, "Pause").click();
  await page.getByText("Paused", { exact: true }).waitFor();
  await button(page, "Leave").click();
  await expect.poll(() => page.getByText("You act in").count(), PATIENCE).toBe(0);

  // The log names the operator's token, and the account in which it was used.
  await placesOf(page).getByRole("link", { name: "Audit log" }).click();
  await page.getByLabel("Account number").fill(String(t.account.id));
  const entry = page.getByRole("row", { name: /Pause subscription/ });
  await entry.getByText(new RegExp(`Subscription ${id}`)).waitFor();
  await entry.getByText(/of account \d+/).waitFor();
  expect(await entry.getByText(`of account ${t.account.id}`).count()).toBe(0);
  expectNone(await seriousProblems(page));

  // What was done and the token lead to all such entries, and the address says so.
  await entry.getByRole("link", { name: "Pause subscription" }).click();
  await page.getByRole("button", { name: "Remove the filter Pause subscription" }).waitFor();
  const others = page.getByRole("row").filter({ hasNotText: /Pause subscription|When and who/ });
  await expect.poll(() => others.count(), PATIENCE).toBe(0);
  await entry
    .first()
    .getByRole("link", { name: /of account \d+/ })
    .click();
  await page.waitForURL(/\/operator\/audit\?token=\d+$/);
  await page
    .getByRole("row", { name: /Pause subscription/ })
    .first()
    .waitFor();
  await page.getByRole("button", { name: "Any time Time" }).click();
  await page.getByRole("option", { name: "Last hour" }).click();
  await page.waitForURL(/token=\d+&since=1h$/);
  await entry.first().waitFor();
}, 60_000);

test("an operator makes an account, a token and a portal link, and revokes the token", async () => {
  const { page } = await t.show({ token: t.stack.token, path: "/operator/accounts" });
  await page.getByLabel("Name").fill("Thistle & Sons");
  await button(page, "Create account").click();
  await page.getByRole("heading", { name: "Thistle & Sons", level: 1 }).waitFor();
  await page.getByText("No tokens yet").waitFor();
  await page.getByLabel("Name").fill("billing");
  await page.getByText("events:write").first().click();
  await button(page, "Create token").click();
  const secret = (await page.getByRole("status").locator("code").first().textContent()) ?? "";
  expect(secret).toMatch(/^pht_/);
  const { request } = page.context();
  const session = async () =>
    (
      await request.post(`${t.stack.apiUrl}/posthaste.v1.SessionService/GetSession`, {
        ...{ data: {}, headers: { authorization: `Bearer ${secret}` } },
      })
    ).status();
  expect(await session()).toBe(200);
  const row = page.getByRole("row", { name: /billing/ });
  await row.getByRole("button", { name: "Revoke" }).click();
  await button(page, "Revoke token").click();
  await row.getByText("revoked").waitFor();
  expect(await session()).toBe(401);

  await button(page, "Create portal link").click();
  const link = (await page.locator("code", { hasText: "/portal#" }).textContent()) ?? "";
  expect(link).toContain("/portal#phl_");
  const portal = await t.show({ path: link.replace(t.stack.apiUrl, "") });
  await portal.page.getByText("Thistle & Sons").waitFor();
  expect(await portal.page.getByRole("link", { name: "All accounts" }).count()).toBe(0);
}, 60_000);

test("an operator reaches every page of the installation from the menu, also in a window of 320 px", async () => {
  for (const narrow of [false, true]) {
    const { page, go } = await t.show({ token: t.stack.token, path: "/operator", narrow });
    await page.getByRole("heading", { name: "All accounts", level: 1 }).waitFor();
    const places = placesOf(page).getByRole("link");
    for (const name of ["Accounts", "Audit log", "All accounts"]) {
      await placesOf(page)
        .getByRole("list", { name: "Installation" })
        .getByRole("link", { name, exact: true })
        .click();
      await page.getByRole("heading", { name, level: 1 }).waitFor();
      expect(await placesOf(page).locator("[aria-current]").allTextContents()).toEqual([name]);
    }
    const width = page.viewportSize()?.width ?? 0;
    for (const place of await places.all()) {
      const box = await place.boundingBox();
      expect(box?.x).toBeGreaterThanOrEqual(0);
      expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(width);
    }
    // The menu covers nothing of the page's end.
    await go("/operator/accounts");
    await page.getByRole("row").last().waitFor();
    await page.evaluate("scrollTo(0, document.body.scrollHeight)");
    if (!narrow) continue;
    const main = "document.querySelector('main').lastElementChild.getBoundingClientRect().bottom";
    expect(await page.evaluate(`${main} <= document.querySelector('nav').getBoundingClientRect().top`)).toBe(
      true,
    );
    expectNone(await seriousProblems(page));
  }
}, 60_000);

test("a page of an operator is not found by anyone else", async () => {
  const { token } = t.stack;
  const created = await fetch(`${t.stack.apiUrl}/posthaste.v1.AccountService/CreateToken`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ accountId: t.account.id, name: "developer", scopes: ["deliveries:read"] }),
  });
  const { secret } = (await created.json()) as { secret: string };
  const { page } = await t.show({ token: secret, path: "/operator" });
  await page.getByRole("heading", { name: "Page not found" }).waitFor();
  expect(await page.getByRole("link", { name: "All accounts" }).count()).toBe(0);
});

test("a subscription that has ended stays listed, with when and by whom it was deleted", async () => {
  const id = await t.subscribe(t.receiver.url);
  const { page } = await t.show({ token: t.account.token, path: `/subscriptions/${id}` });
  await button(page, "Delete").click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Delete" }).click();
  await page.waitForURL("**/subscriptions");
  await page.getByText("No subscriptions yet").waitFor();
  await page.getByRole("radio", { name: "With ended" }).click();
  const row = page.getByRole("row", { name: new RegExp(t.receiver.url) });
  await row.getByText("Ended", { exact: true }).waitFor();
  await row.getByText(/deleted/).waitFor();
  await row.getByRole("link").click();
  await page.getByText(/This subscription ended/).waitFor();
});
