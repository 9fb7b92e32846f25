import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import { type AccountId, SCOPES, type Scope } from "@posthaste/domain";
import { type Stack, type StackOptions, startStack } from "@posthaste/stack";
import { createAccount, createToken, revokeToken } from "@posthaste/store";
import type { Page } from "playwright-core";
import {
  type ConsoleBrowser,
  type ConsolePage,
  startConsoleBrowser,
} from "../../src/browser/console-browser.ts";

/** How long a page may take to show something on a busy machine. */
export const PATIENCE = { timeout: 20_000 };

/** The console in a real Chromium, with the real API, worker and Temporal server. */
export type ConsoleBench = {
  readonly stack: Stack;
  readonly browser: ConsoleBrowser;
  /** Creates an account with a token of these scopes. Default: all. */
  newAccount(name: string, scopes?: readonly Scope[]): Promise<TestAccount>;
  /** Opens a page in a new context. Closed by `closeAll`. */
  show(options?: Parameters<ConsoleBrowser["open"]>[0]): Promise<ConsolePage>;
  /** Ends what a test opened, and returns the violations of the page's policy and the uncaught errors. */
  closeAll(): Promise<string[]>;
  dispose(): Promise<void>;
};

export type TestAccount = {
  readonly id: AccountId;
  readonly token: string;
  readonly client: PosthasteClient;
  /** Creates another token of the account. */
  newToken(scopes?: readonly Scope[]): Promise<string>;
  /** Revokes the account's first token. */
  revoke(): Promise<void>;
};

export async function startConsoleBench(env: StackOptions["env"] = {}): Promise<ConsoleBench> {
  const stack = await startStack({ env: { POSTHASTE_INBOX: "on", ...env } });
  const browser = await startConsoleBrowser(stack.apiUrl);
  const accounts: TestAccount[] = [];
  const pages: ConsolePage[] = [];
  return {
    stack,
    browser,
    async newAccount(name, scopes = SCOPES) {
      const { id } = await createAccount(stack.store, { name, now: Date.now() });
      const create = (own: readonly Scope[] = SCOPES) =>
        createToken(stack.store, {
          ...{ accountId: id, name: "console", scopes: own, expiresAt: null },
          now: Date.now(),
        });
      const { secret: token, token: first } = await create(scopes);
      const account: TestAccount = {
        ...{ id, token },
        client: createPosthasteClient({ baseUrl: stack.apiUrl, token: (await create()).secret }),
        newToken: async (own) => (await create(own)).secret,
        revoke: async () => void (await revokeToken(stack.store, { id: first.id, now: Date.now() })),
      };
      accounts.push(account);
      return account;
    },
    async show(options) {
      const opened = await browser.open(options);
      opened.page.setDefaultTimeout(PATIENCE.timeout);
      pages.push(opened);
      return opened;
    },
    async closeAll() {
      const complaints = pages.flatMap((opened) => opened.complaints);
      await Promise.all(pages.splice(0).map((opened) => opened.close()));
      await Promise.all(accounts.splice(0).map(({ client }) => client.close()));
      return complaints;
    },
    async dispose() {
      await browser.close();
      await stack.dispose();
    },
  };
}

export const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: true });

/** Returns the text of the element that has the focus; that of the whole page if none has. */
export async function focused(page: Page): Promise<string> {
  return String(await page.evaluate("document.activeElement?.textContent ?? ''")).trim();
}
