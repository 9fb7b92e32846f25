import { type Receiver, startReceiver } from "@posthaste/testkit";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { button, type ConsoleBench, startConsoleBench, type TestAccount } from "./console-bench.ts";

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
  expect(await bench.closeAll()).toEqual([]);
});

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
    expect(await page.locator("form").textContent()).not.toMatch(/target_url/i);
    await page.getByLabel("Target URL").fill(receiver.url);
    await button(page, "Create subscription").click();
    await page.getByRole("heading", { name: receiver.url }).waitFor();
  });
});
