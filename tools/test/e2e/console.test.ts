import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { ConnectError } from "@connectrpc/connect";
import { createPosthasteClient } from "@posthaste/client";
import { DeliveryState } from "@posthaste/contracts/delivery";
import type { Receiver } from "@posthaste/testkit";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { button, ConsoleFixture, LAYOUT_SHIFTS, PATIENCE, seriousProblems } from "./console-fixture.ts";
import { expectNone } from "./expect-none.ts";
import { insertDeliveries } from "./many-deliveries.ts";
import { createTourAccount, type TourAccount } from "./tour-account.ts";

/*
 * Tests the console in a real Chromium with the real API, worker and Temporal server, which all tests share.
 * Each test has its own account and page.
 */

const SCREENSHOTS = fileURLToPath(new URL("../../../docs/console/", import.meta.url));
const FIRST_LOAD_BYTES_MAX = 200 * 1024;
/** The page, its icon, style sheet and font, three scripts and four calls, and a few to spare. */
const FIRST_LOAD_REQUESTS_MAX = 15;

const fixture = new ConsoleFixture();

describe("a newcomer", () => {
  test("signs in, subscribes an inbox and sees a test event arrive with a verified signature", async () => {
    const { page } = await fixture.show();
    await page.getByLabel("Token").fill("pht_wrong");
    await button(page, "Sign in").click();
    await page.getByText("this token is unknown, expired or revoked").waitFor();
    await page.getByLabel("Token").fill(fixture.account.token);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await page.getByText("No deliveries in this period").waitFor();

    await page.getByRole("link", { name: "Inbox", exact: true }).click();
    await button(page, "Create an inbox").click();
    await button(page, "Subscribe").click();
    await page.getByText("sends all event types").waitFor();
    await button(page, "Send a test event").click();
    await page.getByText("Signature verified").waitFor();
    await page.getByText("webhook-signature").waitFor();

    await page.getByRole("link", { name: "View delivery" }).click();
    await page.getByText("Succeeded", { exact: true }).waitFor();
    await page.getByRole("heading", { name: "Attempt 1" }).waitFor();
  });

  test("sees that a forged signature is invalid", async () => {
    const opened = await fixture.show({ token: fixture.account.token, path: "/inbox" });
    const { page } = opened;
    await button(page, "Create an inbox").click();
    await button(page, "Subscribe").click();
    await page.getByText("sends all event types").waitFor();
    const address = await page.locator("code", { hasText: "/inbox/" }).textContent();
    const sent = await fetch(String(address), {
      method: "POST",
      headers: {
        "webhook-id": "evt_forged",
        "webhook-timestamp": String(Math.floor(Date.now() / 1_000)),
        "webhook-signature": `v1,${Buffer.alloc(32).toString("base64")}`,
        authorization: "Basic c2VjcmV0",
      },
      body: "[{}]",
    });
    expect(sent.status).toBe(200);
    await page.getByText("Signature invalid").waitFor();
    expect(await page.content()).not.toContain("c2VjcmV0");
  });
});

describe("a failing receiver", () => {
  test("has a timeline; Retry now starts the next attempt, which succeeds", async () => {
    fixture.receiver.answer({ kind: "status", status: 503, body: "down for maintenance" });
    await fixture.subscribe(fixture.receiver.url);
    const { page } = await fixture.show({ token: fixture.account.token, path: "/deliveries" });
    await page.getByText("Live", { exact: true }).waitFor();
    await page.getByText("No deliveries yet").waitFor();
    const delivery = await fixture.deliveryOf(await fixture.ingest(), DeliveryState.STARTED);
    // The list updates without a reload.
    await page.getByRole("row").getByText("Retrying", { exact: true }).waitFor();
    await page.getByRole("link", { name: /invoice_sent/ }).click();
    await page.waitForURL(`**/deliveries/${delivery?.id}`);
    // The request and the response.
    await page.getByText("webhook-signature").waitFor();
    await page.getByText("v1,").first().waitFor();
    await page.getByText("12345678901234567890.10").waitFor();
    await page.getByText("down for maintenance").waitFor();
    await page.getByText("HTTP 503").waitFor();
    await page.getByText(new RegExp(`from 127.0.0.1:${fixture.receiver.port}`)).waitFor();
    // The planned attempts: 13 more by the schedule.
    await page.getByText("Attempt 2", { exact: true }).waitFor();
    await button(page, /Show 10 more/).click();
    await page.getByText("Attempt 14", { exact: true }).waitFor();
    expect(await page.getByRole("link", { name: "Temporal" }).getAttribute("href")).toContain(delivery?.id);

    fixture.receiver.answer({ kind: "status", status: 200, body: "thanks" });
    await button(page, "Retry now").click();
    await page.getByText("Succeeded", { exact: true }).waitFor();
    await page.getByText("thanks").waitFor();
    expect(await page.getByText("Attempt 2", { exact: true }).count()).toBe(1);
    expect(await page.getByText("Attempt 14", { exact: true }).count()).toBe(0);
    expect(fixture.receiver.requests).toHaveLength(2);

    await button(page, "Send again").click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Send again" }).click();
    await vi.waitFor(() => expect(fixture.receiver.requests).toHaveLength(3), PATIENCE);
    await page.getByText("1 of 14").waitFor();
  });

  test("has deliveries that can be cancelled, counted and sent again", async () => {
    fixture.receiver.answer({ kind: "status", status: 500 });
    await fixture.subscribe(fixture.receiver.url);
    const delivery = await fixture.deliveryOf(await fixture.ingest(), DeliveryState.STARTED);
    const { page, go } = await fixture.show({
      token: fixture.account.token,
      path: `/deliveries/${delivery?.id}`,
    });
    await button(page, "Cancel").click();
    await button(page, "Cancel delivery").click();
    await page.getByText("Reason: cancelled by its owner").waitFor();

    fixture.receiver.answer({ kind: "status", status: 200 });
    await go("/recover");
    await button(page, /Count and send/).click();
    await page.getByText("1 delivery to send").waitFor();
    await button(page, "Send 1").click();
    await page.getByRole("dialog").getByText("1 sent").waitFor();
    await button(page, "Close").click();
    await page.getByText("1 examined, 1 sent").waitFor();
    await vi.waitFor(() => expect(fixture.receiver.requests).toHaveLength(2), PATIENCE);
    expect(
      await page.getByRole("progressbar", { name: "Progress" }).first().getAttribute("aria-valuenow"),
    ).toBe("1");
  });

  test("responds with a page full of scripts, which is shown as text", async () => {
    const hostile = `<script>document.title="owned"</script><img src=x onerror="document.title='owned'">`;
    fixture.receiver.answer({
      kind: "status",
      status: 500,
      body: hostile,
      headers: { "content-type": "text/html", "x-note": "<b>bold</b>" },
    });
    // Shorter than what is redacted where an answer repeats it.
    await fixture.subscribe(`${fixture.receiver.url}?a=<img>`);
    const delivery = await fixture.deliveryOf(
      await fixture.ingest(JSON.stringify({ Notes: hostile })),
      DeliveryState.STARTED,
    );
    const { page } = await fixture.show({
      token: fixture.account.token,
      path: `/deliveries/${delivery?.id}`,
    });
    await page.getByText(hostile).first().waitFor();
    await page.getByText("<b>bold</b>").waitFor();
    expect(await page.locator("img, script:not([src]), b").count()).toBe(0);
    expect(await page.title()).not.toContain("owned");
  });
});

describe("subscriptions", () => {
  test("are created next to a sample, edited, paused and rotated, and show their health", async () => {
    const { page } = await fixture.show({ token: fixture.account.token, path: "/subscriptions" });
    await page.getByText("No subscriptions yet").waitFor();
    await page.getByRole("link", { name: "Create a subscription" }).click();
    await button(page, "Create subscription").click();
    await page.getByText("Enter a URL that starts with").waitFor();
    await page.getByLabel("Target URL").fill(fixture.receiver.url);
    await page.getByLabel("Find an event type").fill("invoice_s");
    await page.getByText("An invoice was sent to the client.").first().click();
    await page.getByText('"InvoiceNumber": "1042"').waitFor();
    await button(page, "Create subscription").click();

    await page.getByText("Send a test event").waitFor();
    await button(page, "Send").click();
    await page.getByText(/Accepted \(200\) in/).waitFor();
    await page.getByText("success rate over 1 attempt").waitFor();
    await button(page, "Edit").click();
    await page.getByLabel("Description").fill("The ledger");
    await page.getByText("More options").click();
    await page.getByLabel("Attempts per second").fill("5");
    await button(page, "Save").click();
    await page.getByText("The ledger").waitFor();
    await page.getByText("5 per second").waitFor();
    await button(page, "Pause").click();
    await page.getByText("Paused", { exact: true }).waitFor();
    await page.getByText("when resumed", { exact: true }).waitFor();
    await button(page, "Resume").click();
    await page.getByText("Active", { exact: true }).waitFor();

    expect(await page.getByText(/whsec_[A-Za-z0-9+/]{20}/).count()).toBe(0);
    await button(page, "Rotate").click();
    await button(page, "Rotate secret").click();
    await expect.poll(() => page.getByText(/whsec_[A-Za-z0-9+/]{20}/).count(), PATIENCE).toBe(2);
    const { signingKeys } = await fixture.account.client.subscriptions.listSigningKeys({
      id: Number(page.url().split("/").at(-1)),
    });
    expect(signingKeys).toHaveLength(2);

    await page.getByRole("link", { name: "Event types", exact: true }).click();
    await page.getByRole("link", { name: "invoice_sent" }).click();
    await page.getByText("TransactionStatusCode").first().waitFor();
    await page.getByRole("link", { name: fixture.receiver.url }).waitFor();
  });
});

describe("after the database is restored from a backup", () => {
  test("the list of deliveries refreshes itself and stays live", async () => {
    const subscriptionId = await fixture.subscribe(fixture.receiver.url);
    await fixture.deliveryOf(await fixture.ingest(), DeliveryState.SUCCEEDED);
    const { page } = await fixture.show({ token: fixture.account.token, path: "/deliveries" });
    const rows = page.locator("tbody tr");
    await page.getByText("Live", { exact: true }).waitFor();
    await expect.poll(() => rows.count(), PATIENCE).toBe(1);

    // Rows without a change, as the restore brings them back.
    await insertDeliveries(fixture.stack.store, { accountId: fixture.account.id, subscriptionId, count: 2 });
    await fixture.stack.store.db.deleteFrom("delivery_changes").execute();
    await fixture.stack.store.db.updateTable("change_counter").set({ batch: 0, oldest_batch: 0 }).execute();
    await expect.poll(() => rows.count(), PATIENCE).toBe(3);
    await page.getByText("Live", { exact: true }).waitFor();
    await fixture.ingest();
    await expect.poll(() => rows.count(), PATIENCE).toBe(4);
  });
});

describe("a portal link", () => {
  async function portalLink(sessionSeconds = 3_600) {
    const { path } = await fixture.stack.client.accounts.createPortalLink({
      accountId: fixture.account.id,
      scopes: ["deliveries:read", "subscriptions:read"],
      sessionLifetime: { seconds: BigInt(sessionSeconds) },
    });
    return path;
  }

  test("shows only its account, grants only its scopes and is valid once", async () => {
    await fixture.subscribe(fixture.receiver.url);
    await fixture.deliveryOf(await fixture.ingest(), DeliveryState.SUCCEEDED);
    const stranger = await fixture.newAccount("Another");
    const path = await portalLink();
    const code = path.split("#")[1] ?? "";
    expect(path).toMatch(/^\/portal#phl_\w{46}$/);

    const first = await fixture.show({ path });
    await first.page.getByText("Foxglove & Quill").waitFor();
    expect(new URL(first.page.url()).href).toBe(`${fixture.stack.apiUrl}/`);
    await first.page.getByRole("link", { name: "Deliveries", exact: true }).click();
    await first.page.getByRole("link", { name: /invoice_sent/ }).click();
    await first.page.getByRole("heading", { name: "Attempt 1" }).waitFor();
    expect(await button(first.page, "Send again").count()).toBe(0);
    expect(await first.page.getByRole("link", { name: "Temporal" }).count()).toBe(0);

    const secret = String(await first.page.evaluate(`sessionStorage.getItem("posthaste.token")`));
    const session = createPosthasteClient({ baseUrl: fixture.stack.apiUrl, token: secret });
    const { session: own } = await session.sessions.getSession({});
    expect(own).toMatchObject({
      accountId: fixture.account.id,
      scopes: ["subscriptions:read", "deliveries:read"],
    });
    await expect(session.accounts.listAccounts({})).rejects.toThrow(/lacks the scope admin/);
    await expect(session.deliveries.recoverDeliveries({ since: { seconds: 1n } })).rejects.toThrow(
      /lacks the scope deliveries:write/,
    );
    const others = await stranger.client.deliveries.listDeliveries({});
    await session.close();
    expect(others.deliveries).toEqual([]);

    const second = await fixture.show({ path });
    await second.page.getByText("This link cannot be opened").waitFor();
    await second.page.getByText("This link was already used or has expired").waitFor();
    // Nowhere but in the fragment, which is sent to nobody.
    for (const url of [...first.asked, ...second.asked]) expect(url.split("#")[0]).not.toContain(code);
    for (const log of [...fixture.stack.apis, ...fixture.stack.workers].map((child) => child.log())) {
      expect(log).not.toContain(code);
      expect(log).not.toContain(secret);
    }
  });

  test("leaves a tab the session that it has if the link cannot be opened", async () => {
    const path = await portalLink();
    await (await fixture.show({ path })).page.getByRole("heading", { name: "Overview" }).waitFor();
    const { page } = await fixture.show({ token: fixture.account.token });
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await page.goto(`${fixture.stack.apiUrl}${path}`);
    await page.getByText("This link cannot be opened").waitFor();
    await page.getByRole("link", { name: "Go on in the session of this tab" }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
  });

  test("without its code says that it is incomplete", async () => {
    const { page } = await fixture.show({ path: "/portal" });
    await page.getByText("The link is incomplete: ask for the whole link, or for a new one.").waitFor();
  });

  test("opens in a frame of an origin that the operator lists, and of no other origin", async () => {
    const framing = async (by: Receiver) => {
      by.answer({
        kind: "status",
        status: 200,
        headers: { "content-type": "text/html" },
        body: `<!doctype html><title>platform</title><iframe src="${fixture.stack.apiUrl}${await portalLink()}"></iframe>`,
      });
      // Opened without `show`, which counts complaints: here a refusal is expected.
      const { page, close } = await fixture.browser.open({ path: "/favicon.svg" });
      await page.goto(by.url);
      return { frame: page.frameLocator("iframe"), page, close };
    };
    const listed = await framing(fixture.platform);
    await listed.frame.getByRole("heading", { name: "Overview" }).waitFor();
    await listed.close();
    const other = await framing(fixture.receiver);
    await expect.poll(() => other.page.frames()[1]?.url(), PATIENCE).toMatch(/^chrome-error:/);
    await other.close();
  });

  test("ends its session on expiry and says so, and cannot be opened after its own expiry", async () => {
    // The overview polls every few seconds. The catalogue is fetched once, so that only the next navigation
    // can notice the expiry there.
    const { page: overview } = await fixture.show({ path: await portalLink() });
    const { page: catalogue, go } = await fixture.show({ path: await portalLink() });
    await overview.getByRole("heading", { name: "Overview" }).waitFor();
    await catalogue.getByRole("heading", { name: "Overview" }).waitFor();
    await go("/event-types");
    await catalogue.getByRole("link", { name: "invoice_sent", exact: true }).waitFor();
    await fixture.stack.store.db
      .updateTable("tokens")
      .set({ expires_at: Date.now() - 1 })
      .where("account_id", "=", fixture.account.id)
      .where("session", "=", 1)
      .execute();
    // Navigates as a link does. A click could be too slow: the page may notice the expiry first.
    await catalogue.evaluate(`history.pushState(null, "", "/deliveries")`);
    for (const page of [overview, catalogue]) {
      await page.getByText("Your session has ended").waitFor();
      expect(await page.evaluate(`sessionStorage.getItem("posthaste.token")`)).toBeNull();
    }

    const path = await portalLink();
    await fixture.stack.store.db
      .updateTable("portal_links")
      .set({ expires_at: Date.now() - 1 })
      .where("account_id", "=", fixture.account.id)
      .execute();
    const late = fixture.stack.client.sessions.openSession({ portalCode: path.split("#")[1] ?? "" });
    await expect(late).rejects.toThrow(ConnectError);
  });
});

test("an address that is no page, or cannot be a subscription's, says so", async () => {
  const { page, go } = await fixture.show({ token: fixture.account.token });
  for (const path of ["/subscriptions/abc", "/subscriptions/0", "/subscriptions/1e3", "/nowhere"]) {
    await go(path);
    await page.getByRole("heading", { name: "Page not found" }).waitFor();
  }
});

test("the gateway's documentation bears Posthaste's name, and breaks no rule of its policy", async () => {
  const { page } = await fixture.show({ path: "/api/docs" });
  await page.getByText("/api/Webhook", { exact: true }).first().waitFor();
  expect(await page.title()).toBe("Posthaste's REST API");
  expect(await page.locator("img").count()).toBe(0);
});

test("a page that is not served says so under the menu, and can be reloaded; the others are shown", async () => {
  // Opened without `show`, which counts complaints: here they are expected.
  const { page, close } = await fixture.browser.open({ token: fixture.account.token });
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  const isRecoverPage = /recover-page/;
  await page.route(isRecoverPage, (route) => route.fulfill({ status: 404, body: "gone" }));
  const to = (name: string) => page.getByRole("link", { name, exact: true });
  await to("Recover").click();
  await page.getByRole("heading", { name: "This page cannot be shown" }).waitFor();
  await to("Subscriptions").click();
  await page.getByRole("heading", { name: "Subscriptions" }).waitFor();
  await to("Recover").click();
  await page.unroute(isRecoverPage);
  await button(page, "Reload").click();
  await page.getByRole("heading", { name: "Recover", level: 1 }).waitFor();
  await close();
});

test("a chart that cannot be shown does not take the rest of the overview away", async () => {
  await fixture.subscribe(fixture.receiver.url);
  await fixture.deliveryOf(await fixture.ingest(), DeliveryState.SUCCEEDED);
  // Opened without `show`, which counts complaints: here they are expected.
  const { page, close, go } = await fixture.browser.open({
    token: fixture.account.token,
    path: "/favicon.svg",
  });
  await page.route(/time-chart/, (route) => route.fulfill({ status: 404, body: "gone" }));
  await go("/");
  await page.getByText("This part of the page cannot be shown.").nth(1).waitFor();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.getByText("Success rate").waitFor();
  await page.unroute(/time-chart/);
  await button(page, "Reload the page").first().click();
  await page.getByRole("figure", { name: "Attempts over time" }).waitFor();
  await close();
});

describe("size", () => {
  test("the first load is 200 KiB of compressed JavaScript and 15 requests at most, and is sent compressed", async () => {
    await fixture.subscribe(fixture.receiver.url);
    await fixture.deliveryOf(await fixture.ingest(), DeliveryState.SUCCEEDED);
    const opened = await fixture.show({ token: fixture.account.token });
    await opened.page.getByRole("figure", { name: "Attempts over time" }).waitFor();
    await opened.page.waitForLoadState("load");
    const asked = [...new Set(opened.asked)];
    expect(asked.length).toBeLessThanOrEqual(FIRST_LOAD_REQUESTS_MAX);
    const scripts = asked.filter((url) => url.endsWith(".js"));
    expect(scripts.length).toBeGreaterThan(2);
    const sizes = await Promise.all(
      scripts.map(async (url) => {
        const response = await fetch(url, { headers: { "accept-encoding": "gzip" } });
        expect(response.headers.get("content-encoding")).toBe("gzip");
        expect(response.headers.get("cache-control")).toContain("immutable");
        return gzipSync(new Uint8Array(await response.arrayBuffer()), { level: 9 }).length;
      }),
    );
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    expect(bytes).toBeLessThan(FIRST_LOAD_BYTES_MAX);
    console.log(`first load: ${asked.length} requests, ${Math.round(bytes / 1024)} KiB of JavaScript`);
  });

  /*
   * Counts calls, because durations depend on the machine. The store's tests bound what a call reads, however
   * many deliveries there are.
   */
  test("with 100,000 deliveries, any page and any search take at most two calls", async () => {
    const id = await fixture.subscribe(fixture.receiver.url, ["*"]);
    await insertDeliveries(fixture.stack.store, {
      accountId: fixture.account.id,
      subscriptionId: id,
      count: 100_000,
    });
    const { page, asked } = await fixture.show({ token: fixture.account.token, path: "/deliveries" });
    await page.getByRole("row").nth(50).waitFor();
    const calls = () => asked.filter((url) => url.endsWith("/ListDeliveries")).length;
    const callCounts: number[] = [];
    const counted = async (action: () => Promise<unknown>) => {
      const [before, startedAt] = [calls(), performance.now()];
      await action();
      callCounts.push(calls() - before);
      durationsMs.push(performance.now() - startedAt);
    };
    const durationsMs: number[] = [];
    const search = (query: string, shown: () => Promise<unknown>) =>
      counted(async () => {
        // Navigates as a link within the page does.
        await page.evaluate(`history.pushState(null, "", "/deliveries?${query}")`);
        await shown();
      });
    const full = (state: string, type: string) => async () => {
      await page
        .getByRole("row", { name: new RegExp(`${state}.*${type}`) })
        .nth(49)
        .waitFor();
    };
    await search("state=exhausted", full("Exhausted", ""));
    await search(`subscription=${id}&state=succeeded`, full("Succeeded", ""));
    await search("type=invoice_sent", full("", "invoice_sent"));
    await search("type=contact_created&state=exhausted&since=24h", full("Exhausted", "contact_created"));
    await search("type=task_created", () => page.getByText("No matches on this page").waitFor());
    await search("", full("", ""));
    for (let n = 2; n <= 5; n += 1) {
      await counted(async () => {
        await button(page, "Older").click();
        await page.getByText(`Page ${n}`).waitFor();
        await expect.poll(() => button(page, "Older").isEnabled(), PATIENCE).toBe(true);
      });
    }
    // One page of the table, however many deliveries there are.
    expect(await page.getByRole("row").count()).toBe(51);
    console.log(`100,000 deliveries: ${durationsMs.map((ms) => Math.round(ms)).join(", ")} ms`);
    // No call if the page has the answer cached. A second call if the page refreshes at that moment.
    expect(Math.max(...callCounts)).toBeLessThanOrEqual(2);
  });
});

describe("a reader", () => {
  test("uses the keyboard alone to skip to the page, change pages and choose a filter", async () => {
    const { page } = await fixture.show({ token: fixture.account.token, path: "/deliveries" });
    await page.getByText("No deliveries yet").waitFor();
    await page.keyboard.press("Tab");
    expect(await focused(page)).toBe("Skip to content");
    // The search, the overview, deliveries and events come first.
    for (let i = 0; i < 5; i += 1) await page.keyboard.press("Tab");
    expect(await focused(page)).toBe("Subscriptions");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Subscriptions", level: 1 }).waitFor();
    // Screen readers announce the new page.
    expect(await focused(page)).toBe("Subscriptions");
    await page.goBack();
    // The page's heading takes the focus here, too. A control focused before that would lose it.
    await expect.poll(() => focused(page)).toBe("Deliveries");
    await page.getByRole("button", { name: /State/ }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("option", { name: "Exhausted or failed" }).waitFor();
    await page.keyboard.type("Exh");
    await expect.poll(() => focused(page)).toBe("Exhausted or failed");
    await page.keyboard.press("Enter");
    await page.getByText("No deliveries match").waitFor();
    await page.waitForURL("**state=exhausted*");
  });

  test("chooses a light or dark theme, which a reload keeps", async () => {
    const { page } = await fixture.show({ token: fixture.account.token });
    const background = () => page.evaluate("getComputedStyle(document.body).backgroundColor");
    const light = await background();
    await page.getByRole("button", { name: /Theme: system/ }).click();
    await page.getByRole("button", { name: /Theme: light/ }).click();
    const dark = await background();
    expect(dark).not.toBe(light);
    await page.reload();
    await page.getByRole("button", { name: /Theme: dark/ }).waitFor();
    expect(await background()).toBe(dark);
  });

  test("reads times in the reader's zone, and exact times on hover", async () => {
    await fixture.subscribe(fixture.receiver.url);
    const delivery = await fixture.deliveryOf(await fixture.ingest(), DeliveryState.SUCCEEDED);
    const { page } = await fixture.show({
      token: fixture.account.token,
      path: `/deliveries/${delivery?.id}`,
    });
    const time = page.locator("time").first();
    const at = new Date(Number(delivery?.createdAt?.seconds ?? 0n) * 1_000);
    const inBerlin = at.toLocaleTimeString("en-GB", { timeZone: "Europe/Berlin" });
    expect(await time.textContent()).toContain(inBerlin);
    expect(await time.getAttribute("title")).toContain(at.toISOString().slice(0, 19));
  });
});

const PAGES = [
  ["overview", "/", "Failing subscriptions"],
  ["deliveries", "/deliveries", "Retrying"],
  ["delivery", "/deliveries/:delivery", "Response body"],
  ["subscriptions", "/subscriptions", "Customer relations"],
  ["subscription", "/subscriptions/:subscription", "Median latency"],
  ["new-subscription", "/subscriptions/new", "bill_created"],
  ["event-types", "/event-types", "bill_created"],
  ["event-type", "/event-types/invoice_sent", "Subscribers"],
  ["recover", "/recover", "See the deliveries"],
  ["inbox", "/inbox", "Signature verified"],
  ["guide", "/guide/receivers", "Framing and headers"],
  ["events", "/events", "invoice_sent"],
  ["event", "/events/:event", "As it was ingested"],
  ["search", "/search?q=ledger", "https://ledger.foxglove.example/webhooks"],
  ["operator", "/operator", "Running recoveries"],
  ["accounts", "/operator/accounts", "Act in it"],
  ["account", "/operator/accounts/:account", "New token"],
  ["audit", "/operator/audit", "Send test event"],
] as const;

describe("every page", () => {
  let tour: TourAccount;
  beforeAll(async () => {
    tour = await createTourAccount(fixture.stack.store, fixture.stack.apiUrl);
  });
  afterAll(() => tour?.dispose());

  const LOOKS = [
    ["light", {}],
    ["dark", { dark: true }],
    ["narrow", { narrow: true }],
  ] as const;

  test("is accessible, does not shift and fits the window: light, dark and on a phone", {
    timeout: 120_000,
  }, async () => {
    const problems = await Promise.all(LOOKS.map(([look, options]) => problemsOf(tour, look, options)));
    expectNone(problems.flat());
  });

  test("that asks for a token is accessible", async () => {
    const { page } = await fixture.show();
    await button(page, "Sign in").waitFor();
    expectNone(await seriousProblems(page));
    await keepScreenshot(page, "sign-in-light");
  });
});

/** The limit for a good cumulative layout shift. */
const LAYOUT_SHIFT_MAX = 0.1;

async function focused(page: Page): Promise<string> {
  return String(await page.evaluate("document.activeElement?.textContent ?? ''")).trim();
}

/** Saves a screenshot to the docs if `POSTHASTE_SCREENSHOTS=1`. */
async function keepScreenshot(page: Page, name: string): Promise<void> {
  if (process.env["POSTHASTE_SCREENSHOTS"] !== "1") return;
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), animations: "disabled" });
}

type Look = "light" | "dark" | "narrow";

/** Opens every page in one look. Returns the problems found, up to the first page that is not shown. */
async function problemsOf(
  tour: TourAccount,
  look: Look,
  options: { dark?: boolean; narrow?: boolean },
): Promise<string[]> {
  const { page, go } = await fixture.show({ ...options, token: tour.token, path: "/favicon.svg" });
  await page.evaluate(`sessionStorage.setItem("posthaste.inbox", ${JSON.stringify(tour.inboxId)})`);
  await page.addInitScript(LAYOUT_SHIFTS);
  const found: string[] = [];
  for (const [name, path, text] of PAGES) {
    const to = path
      .replace(":delivery", tour.deliveryId)
      .replace(":event", tour.eventId)
      .replace(":account", String(tour.accountId))
      .replace(":subscription", String(tour.subscriptionId));
    try {
      // The light look loads each page, to measure its layout shift. The others navigate as a link does.
      if (look === "light" || name === "overview") await go(to);
      else await page.evaluate(`history.pushState(null, "", ${JSON.stringify(to)})`);
      await page.getByText(text).filter({ visible: true }).first().waitFor();
      const problems = await problemsOfShown(page, look);
      found.push(...problems.map((problem) => `${name}, ${look}: ${problem}`));
    } catch (error) {
      return [...found, `${name}, ${look}: ${error}`];
    }
    await keepScreenshot(page, `${name}-${look}`);
  }
  return found;
}

async function problemsOfShown(page: Page, look: Look): Promise<string[]> {
  await page.evaluate("document.fonts.ready.then(() => true)");
  // The dark look changes only the colours.
  const rules = look === "dark" ? ["color-contrast"] : [];
  const problems = look === "narrow" ? [] : await seriousProblems(page, rules);
  // A phone's window grows with a page that is too wide for it.
  const wider = Number(await page.evaluate("document.documentElement.scrollWidth - screen.width"));
  if (wider > 0) problems.push(`is ${wider} px wider than the window`);
  const shift = Number(await page.evaluate("layoutShift"));
  if (look === "light" && shift > LAYOUT_SHIFT_MAX) problems.push(`has a layout shift of ${shift}`);
  return problems;
}
