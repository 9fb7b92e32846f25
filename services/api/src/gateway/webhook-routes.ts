import { Readable } from "node:stream";
import { type AccountId, parseTargetUrl, Refusal, type Scope, type SubscriptionId } from "@posthaste/domain";
import {
  endSubscription,
  endSubscriptionsByUrl,
  getSubscription,
  listSubscriptions,
  type Principal,
  type Subscription,
} from "@posthaste/store";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type AdmitParts, admit } from "../access/admit.ts";
import { ACCOUNT_HEADER, refuseAccountHeader } from "../access/caller.ts";
import { byToken, type ChangeLimit } from "../access/change-limit.ts";
import type { CostlyReads } from "../access/costly-reads.ts";
import type { RequestLine } from "../http/request-line.ts";
import { publicKeysPath } from "../subscriptions/public-keys.ts";
import { type SubscribeParts, subscribe } from "../subscriptions/subscribe.ts";
import { fieldsOf, fromQuery, textField } from "./parse-body.ts";
import { overOf } from "./read-body.ts";
import { SCHEMAS } from "./schemas.ts";

const COLLECTION = "/api/Webhook";
const ITEM = "/api/Webhook/:id";
/**
 * Subscriptions per read. The list has no paging: one answer reads page after page, each once the caller has
 * taken the one before. Of the largest subscriptions (64 event types, URLs of 2 KB), so many take 3 MB.
 */
const SUBSCRIPTIONS_AT_ONCE = 25;
/** The text of a row beside its URL: the names of its fields, an event type and two numbers. */
const ROW_CHARS = 150;
const INT32_MAX = 2_147_483_647;

/** The dependencies of {@link webhookRoutes}. */
export type WebhookParts = SubscribeParts &
  AdmitParts & { readonly changeLimit: ChangeLimit; readonly costlyReads: CostlyReads };

/** The published REST gateway, with the calls and field names that existing integrations rely on. */
export function webhookRoutes(app: FastifyInstance, parts: WebhookParts): void {
  const { store, now, changeLimit } = parts;
  const authorizedWith = authorization(parts);
  const byOf = (request: FastifyRequest, stops: boolean) => {
    const action = `${request.method} ${request.routeOptions.url}`;
    return byToken(changeLimit, principalIn(request), { action, stops });
  };

  app.post(
    COLLECTION,
    { ...authorizedWith("subscriptions:write"), schema: SCHEMAS.create },
    async (request, reply) => {
      const { accountId } = principalIn(request);
      const fields = fieldsOf(request.body);
      const { id, keySet, signingKey } = await subscribe(parts, accountId, {
        targetUrl: textField(fields, "target_url"),
        eventTypes: [textField(fields, "event")],
        eventTypesField: "event",
        secret: textField(fields, "secret", ""),
        by: byOf(request, false),
      });
      return await reply
        .code(201)
        .header("location", `${COLLECTION}/${id}`)
        // The answer holds a secret, so no cache may store it.
        .header("cache-control", "no-store")
        .send({ ID: id, id, signing_secret: signingKey.secret, public_keys: publicKeysPath(keySet) });
    },
  );

  app.delete(ITEM, { ...authorizedWith("subscriptions:write"), schema: SCHEMAS.remove }, async (request) => {
    const { accountId } = principalIn(request);
    const id = idIn(request);
    const ended = await endSubscription(store, {
      accountId,
      id,
      now: now(),
      by: byOf(request, true),
    });
    if (ended === undefined) throw notFound(id);
    return {};
  });

  app.delete(
    COLLECTION,
    { ...authorizedWith("subscriptions:write"), schema: SCHEMAS.removeByUrl },
    async (request) => {
      const { accountId } = principalIn(request);
      const targetUrl = parseTargetUrl(textField(fromQuery(request.url), "target_url"));
      const { known } = await endSubscriptionsByUrl(store, {
        accountId,
        targetUrl,
        now: now(),
        by: byOf(request, true),
      });
      if (!known) {
        throw new Refusal("not_found", "this account never had a subscription on this target_url", {
          field: "target_url",
        });
      }
      return {};
    },
  );

  readRoutes(app, parts);
}

function readRoutes(app: FastifyInstance, parts: WebhookParts): void {
  const { store } = parts;
  const authorizedWith = authorization(parts);
  app.get(
    COLLECTION,
    { ...authorizedWith("subscriptions:read"), schema: SCHEMAS.list },
    async (request, reply) => {
      const pages = pagesOf(parts, principalIn(request).accountId, request.line);
      // Read before the answer begins, so that a database that is away has its status.
      const first = await pages.next();
      if (first.done === true || first.value.isLast) return { Webhooks: first.value?.rows ?? [] };
      return await reply
        .type("application/json; charset=utf-8")
        .send(Readable.from(listOf(first.value, pages)));
    },
  );

  app.get(ITEM, { ...authorizedWith("subscriptions:read"), schema: SCHEMAS.get }, async (request) => {
    const { accountId } = principalIn(request);
    const id = idIn(request);
    const subscription = await getSubscription(store, { accountId, id });
    if (subscription === undefined || subscription.state === "ended") throw notFound(id);
    return { Webhooks: rowsOf(subscription) };
  });
}

type Page = { readonly rows: readonly WebhookRow[]; readonly isLast: boolean };

/**
 * Reads an account's subscriptions, page by page, until the request is over. Each page comes in a turn of the
 * event loop, in which its text is made.
 */
async function* pagesOf(
  { store, costlyReads, loopTurns }: Pick<WebhookParts, "store" | "costlyReads" | "loopTurns">,
  accountId: AccountId,
  line: RequestLine,
): AsyncGenerator<Page, undefined> {
  const over = overOf(line);
  for (let after: { after?: SubscriptionId } = {}; ; ) {
    const read = () => listSubscriptions(store, { accountId, ...after, limit: SUBSCRIPTIONS_AT_ONCE });
    const page = await costlyReads.run(accountId, read, over);
    if (page === undefined) return;
    const last = page.at(-1);
    const isLast = last === undefined || page.length < SUBSCRIPTIONS_AT_ONCE;
    await loopTurns.wait(
      accountId,
      page.reduce((chars, one) => chars + charsOf(one), 0),
      over,
    );
    yield { rows: page.flatMap(rowsOf), isLast };
    if (isLast) return;
    after = { after: last.id };
  }
}

/** Yields the text of a list, a page at a time. */
async function* listOf(first: Page, others: AsyncIterable<Page>): AsyncGenerator<string> {
  const textOf = ({ rows }: Page) => rows.map((row) => JSON.stringify(row)).join(",");
  yield `{"Webhooks":[${textOf(first)}`;
  // Every page before the last has rows.
  for await (const page of others) yield page.rows.length === 0 ? "" : `,${textOf(page)}`;
  yield "]}";
}

/** Makes the options of a route that needs a scope. */
function authorization(parts: WebhookParts) {
  return (scope: Scope) => ({
    config: { needsToken: true },
    // Before the body is read, so that a caller without a token cannot send one.
    onRequest: async (request: FastifyRequest) => {
      request.principal = await admit(parts, request.headers.authorization, scope, request.line);
      refuseAccountHeader(request.headers[ACCOUNT_HEADER]);
    },
  });
}

function principalIn(request: FastifyRequest): Principal {
  if (request.principal === undefined) throw new Error("this route does not authorize its caller");
  return request.principal;
}

function idIn(request: FastifyRequest): SubscriptionId {
  const { id } = request.params as { id: string };
  if (!/^\d{1,10}$/.test(id) || Number(id) > INT32_MAX || Number(id) === 0) {
    throw new Refusal("invalid", `the ID in the path must be a number from 1 to ${INT32_MAX}`, {
      field: "id",
    });
  }
  return Number(id) as SubscriptionId;
}

function notFound(id: SubscriptionId): Refusal {
  return new Refusal("not_found", `this account has no subscription ${id}`, { field: "id" });
}

/** A row of the published list. */
type WebhookRow = {
  readonly SubscriptionID: SubscriptionId;
  readonly EventCode: string;
  readonly NotificationURL: string;
  readonly UserIDFK: AccountId;
};

/** Returns about how long the text of a subscription's rows is. */
function charsOf({ eventTypes, targetUrl }: Subscription): number {
  return eventTypes.length * (ROW_CHARS + targetUrl.length);
}

function rowsOf(subscription: Subscription): WebhookRow[] {
  return subscription.eventTypes.map((eventType) => ({
    SubscriptionID: subscription.id,
    EventCode: eventType,
    NotificationURL: subscription.targetUrl,
    UserIDFK: subscription.accountId,
  }));
}
