import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import type { DeliveryState } from "@posthaste/contracts/delivery";
import { type AccountId, SCOPES, type SubscriptionId } from "@posthaste/domain";
import { type Stack, startStack } from "@posthaste/stack";
import { createAccount, createToken } from "@posthaste/store";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import axe from "axe-core";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from "vitest";
import {
  type ConsoleBrowser,
  type ConsolePage,
  startConsoleBrowser,
} from "../../src/browser/console-browser.ts";
import { expectNone } from "./expect-none.ts";

/** How long a page may take to show what a test waits for. */
export const PATIENCE = { timeout: 20_000 };

export type TestAccount = { id: AccountId; token: string; client: PosthasteClient };

/**
 * A real Chromium with the real API, worker and Temporal server, which all tests of a file share. Each test
 * has its own account, receiver and pages.
 */
export class ConsoleFixture {
  stack!: Stack;
  browser!: ConsoleBrowser;
  /** A platform's page, which may show the console in a frame. */
  platform!: Receiver;
  receiver!: Receiver;
  account!: TestAccount;
  readonly #accounts: TestAccount[] = [];
  readonly #pages: ConsolePage[] = [];

  constructor() {
    beforeAll(async () => {
      this.platform = await startReceiver();
      this.stack = await startStack({
        env: {
          POSTHASTE_INBOX: "on",
          POSTHASTE_TEMPORAL_UI_URL: "http://127.0.0.1:8233",
          POSTHASTE_CONSOLE_FRAME_ANCESTORS: new URL(this.platform.url).origin,
        },
      });
      this.browser = await startConsoleBrowser(this.stack.apiUrl);
    });
    afterAll(async () => {
      await this.browser?.close();
      await this.stack?.dispose();
      await this.platform?.stop();
    });
    beforeEach(async () => {
      this.receiver = await startReceiver();
      this.account = await this.newAccount("Foxglove & Quill");
    });
    afterEach(async () => {
      const complaints = this.#pages.flatMap((opened) => opened.complaints);
      await Promise.all(this.#pages.splice(0).map((opened) => opened.close()));
      await Promise.all(this.#accounts.splice(0).map(({ client }) => client.close()));
      await this.receiver.stop();
      // No violation of the page's policy and no uncaught error.
      expectNone(complaints);
    });
  }

  async newAccount(name: string): Promise<TestAccount> {
    const { id } = await createAccount(this.stack.store, { name, now: Date.now() });
    const { secret } = await createToken(this.stack.store, {
      accountId: id,
      name: "console",
      scopes: SCOPES,
      expiresAt: null,
      now: Date.now(),
    });
    const client = createPosthasteClient({ baseUrl: this.stack.apiUrl, token: secret });
    const created = { id, token: secret, client };
    this.#accounts.push(created);
    return created;
  }

  /** Opens a page that ends with the test, which fails if the browser complains about it. */
  async show(options: Parameters<ConsoleBrowser["open"]>[0] = {}): Promise<ConsolePage> {
    const opened = await this.browser.open(options);
    opened.page.setDefaultTimeout(PATIENCE.timeout);
    this.#pages.push(opened);
    return opened;
  }

  async subscribe(targetUrl: string, eventTypes = ["invoice_sent"]): Promise<SubscriptionId> {
    const { subscriptions } = this.account.client;
    const { subscription } = await subscriptions.createSubscription({ targetUrl, eventTypes });
    return (subscription?.id ?? 0) as SubscriptionId;
  }

  async ingest(json = '{"InvoiceNumber":"INV-1","Total":12345678901234567890.10}'): Promise<string> {
    const { eventId } = await this.account.client.events.ingestEvent({
      eventType: "invoice_sent",
      snapshot: { case: "dataJson", value: json },
    });
    return eventId;
  }

  async deliveryOf(eventId: string, state: DeliveryState) {
    return await vi.waitFor(async () => {
      const { deliveries } = await this.account.client.deliveries.listDeliveries({ eventId });
      expect(deliveries[0]?.state).toBe(state);
      expect(deliveries[0]?.attempts).toBeGreaterThan(0);
      return deliveries[0];
    }, PATIENCE);
  }
}

/** A script that adds up how much of a page has moved, in `layoutShift`. */
export const LAYOUT_SHIFTS = `
  globalThis.layoutShift = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.layoutShift += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
`;

export const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: true });

type AxeResults = {
  violations: { id: string; impact: string; nodes: { target: string[]; failureSummary: string }[] }[];
};

/** Returns axe's serious and critical findings for these rules. Default: all rules. */
export async function seriousProblems(page: Page, rules: readonly string[] = []): Promise<string[]> {
  // Evaluated by the browser, because the page's policy refuses other scripts.
  await page.evaluate(axe.source);
  const options = { resultTypes: ["violations"], ...(rules.length === 0 ? {} : { runOnly: rules }) };
  const results = (await page.evaluate(`axe.run(document, ${JSON.stringify(options)})`)) as AxeResults;
  return results.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id} at ${target}: ${failureSummary}`),
    );
}
