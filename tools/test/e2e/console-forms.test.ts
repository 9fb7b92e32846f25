import { type Receiver, startReceiver } from "@posthaste/testkit";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { button, type ConsoleBench, focused, startConsoleBench, type TestAccount } from "./console-bench.ts";
import { expectNone } from "./expect-none.ts";

/* Tests in a real Chromium that the console's forms help who fills them, and where the focus goes. */

let bench: ConsoleBench;
let account: TestAccount;
let receiver: Receiver;

beforeAll(async () => {
  bench = await startConsoleBench();
  receiver = await startReceiver();
});
afterAll(async () => {
  await bench?.dispose();
  await receiver?.stop();
});
beforeEach(async () => {
  account = await bench.newAccount("Foxglove & Quill");
});
afterEach(async () => {
  expectNone(await bench.closeAll());
});

const heading = (page: Page, name: string) => page.getByRole("heading", { name, level: 1 });

/** Returns the label of the field that has the focus. */
async function focusedField(page: Page): Promise<string> {
  return String(await page.evaluate("document.activeElement.labels?.[0]?.textContent ?? ''"));
}

describe("the form of a subscription", () => {
  test("names all problems at once, each under its field, and moves the focus to the first", async () => {
    const { page } = await bench.show({ token: account.token, path: "/subscriptions/new" });
    await page.getByText("More options").click();
    await page.getByLabel("Attempt timeout in seconds").fill("90");
    await page.getByLabel("Concurrent attempts").fill("1.5");
    await page.getByText("More options").click();
    await button(page, "Create subscription").click();
    const problems = {
      "Target URL": "Enter a URL that starts with https:// or http://.",
      "Attempt timeout in seconds": "Enter 1 to 30 seconds.",
      "Concurrent attempts": "Enter a whole number from 1 to 1,000, or nothing.",
    };
    for (const [label, problem] of Object.entries(problems)) {
      await page.getByText(problem).waitFor();
      await expect
        .poll(() => page.getByRole("textbox", { name: label, description: problem }).count())
        .toBe(1);
    }
    await page.getByText("Choose at least one event type.").waitFor();
    expect(await focusedField(page)).toBe("Target URL");

    await page.keyboard.type(receiver.url);
    expect(await page.getByText(problems["Target URL"]).count()).toBe(0);
    await page.getByText("All types that platforms send").click();
    await page.keyboard.press("Enter");
    await button(page, "Create subscription").click();
    await expect.poll(() => focusedField(page)).toBe("Attempt timeout in seconds");
  });

  test("shows what the API refuses under the field, in the form's words", async () => {
    const { page } = await bench.show({ token: account.token, path: "/subscriptions/new" });
    await page.getByLabel("Target URL").fill("https://user:password@receiver.example/");
    await page.getByText("All types that platforms send").click();
    await button(page, "Create subscription").click();
    await page.getByText(/^Target URL contains credentials; send them as Receiver credential/).waitFor();
    await expect.poll(() => focusedField(page)).toBe("Target URL");
    expect(await page.locator("main form").textContent()).not.toMatch(/target_url/i);
    await page.getByLabel("Target URL").fill(receiver.url);
    await button(page, "Create subscription").click();
    await page.getByRole("heading", { name: receiver.url }).waitFor();
  });
});

describe("a reader who may not change anything", () => {
  const READ = ["deliveries:read", "subscriptions:read"] as const;
  const DENIED = [
    ["/subscriptions/new", "subscriptions, but not change them"],
    ["/inbox", "subscriptions, but not change them"],
    ["/recover", "deliveries, but not send, retry or cancel them"],
  ] as const;

  async function expectNoForms(page: Page, go: (path: string) => Promise<void>, may: string) {
    for (const [path, words] of DENIED) {
      await go(path);
      await page.getByText(`${may} ${words}`).waitFor();
      // The search box stands beside every page.
      expect(await page.locator("main").locator("form, input, textarea").count()).toBe(0);
    }
    await go("/subscriptions");
    await page.getByText("No subscriptions yet").waitFor();
    await go("/deliveries");
    await page.getByText("No deliveries yet").waitFor();
    for (const name of ["Recover", "Inbox", "New subscription", "Create a subscription"]) {
      expect(await page.getByRole("link", { name }).count()).toBe(0);
    }
  }

  test("is told so in place of a form, and is offered no link to one", async () => {
    const token = await account.newToken(READ);
    const { page, go } = await bench.show({ token });
    await expectNoForms(page, go, "Your token may read");
  });

  test("is told so without the word token if a portal link brought them", async () => {
    const { path } = await bench.stack.client.accounts.createPortalLink({
      accountId: account.id,
      scopes: [...READ],
    });
    const { page, go } = await bench.show({ path });
    await heading(page, "Overview").waitFor();
    await expectNoForms(page, go, "You may see");
    expect(await page.locator("body").textContent()).not.toMatch(/token/i);
  });
});

describe("the focus", () => {
  /** Makes a subscription whose receiver fails, and one delivery of it that is retried. */
  async function failingDelivery(): Promise<string> {
    receiver.answer({ kind: "status", status: 500 });
    const { subscription } = await account.client.subscriptions.createSubscription({
      targetUrl: receiver.url,
      eventTypes: ["invoice_sent"],
    });
    expect(subscription?.id).toBeGreaterThan(0);
    await account.client.events.ingestEvent({
      eventType: "invoice_sent",
      snapshot: { case: "dataJson", value: "{}" },
    });
    return await expect
      .poll(async () => (await account.client.deliveries.listDeliveries({})).deliveries[0])
      .toMatchObject({ attempts: 1 })
      .then(async () => (await account.client.deliveries.listDeliveries({})).deliveries[0]?.id ?? "");
  }

  test("goes to the heading after signing in, and after each page change, but not when data arrives", async () => {
    const id = await failingDelivery();
    const { page } = await bench.show({ path: "/deliveries" });
    await page.getByLabel("Token").fill(account.token);
    await page.keyboard.press("Enter");
    await heading(page, "Deliveries").waitFor();
    await expect.poll(() => focused(page)).toBe("Deliveries");

    let answer = () => {};
    const isAsked = new Promise<void>((resolve) => {
      void page.route("**/GetDelivery", async (route) => {
        await new Promise<void>((go) => {
          answer = go;
          resolve();
        });
        await route.continue();
      });
    });
    await page.getByRole("link", { name: /invoice_sent/ }).click();
    await page.waitForURL(`**/deliveries/${id}`);
    await isAsked;
    await expect.poll(() => focused(page)).toBe("Delivery");
    await page.getByRole("link", { name: "Recover", exact: true }).focus();
    answer();
    await page.getByText("Retrying", { exact: true }).waitFor();
    expect(await focused(page)).toBe("Recover");
    await page.unrouteAll({ behavior: "ignoreErrors" });
  });

  test("returns to the button that opened a dialog; to the heading if that is gone", async () => {
    const id = await failingDelivery();
    const { page } = await bench.show({ token: account.token, path: `/deliveries/${id}` });
    await button(page, "Cancel").focus();
    await page.keyboard.press("Enter");
    await button(page, "Keep delivery").waitFor();
    await page.keyboard.press("Escape");
    await expect.poll(() => focused(page)).toBe("Cancel");
    await page.keyboard.press("Enter");
    await button(page, "Cancel delivery").click();
    await page.getByText("Reason: cancelled by its owner").waitFor();
    await expect.poll(() => focused(page)).toMatch(/^invoice_sent/);
  });

  test("stays on a button that is pressed, and goes to the list after deleting", async () => {
    const { subscription } = await account.client.subscriptions.createSubscription({
      targetUrl: receiver.url,
      eventTypes: ["invoice_sent"],
    });
    const { page } = await bench.show({ token: account.token, path: `/subscriptions/${subscription?.id}` });
    await button(page, "Pause").focus();
    await page.keyboard.press("Enter");
    await button(page, "Resume").waitFor();
    await expect.poll(() => focused(page)).toBe("Resume");
    await button(page, "Edit").click();
    await page.getByLabel("Description").focus();
    await page.keyboard.press("Enter");
    await button(page, "Save").waitFor({ state: "detached" });
    await expect.poll(() => focused(page)).toContain(receiver.url);
    await button(page, "Delete").focus();
    await page.keyboard.press("Enter");
    await page.getByRole("alertdialog").getByRole("button", { name: "Delete" }).click();
    await heading(page, "Subscriptions").waitFor();
    await page.getByText("No subscriptions yet").waitFor();
    await expect.poll(() => focused(page)).toBe("Subscriptions");
  });
});
