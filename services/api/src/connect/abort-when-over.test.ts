import { createConnectRouter, createContextValues } from "@connectrpc/connect";
import { Health } from "@posthaste/contracts/health";
import { expect, test } from "vitest";
import type { RequestLine } from "../http/request-line.ts";
import { abortWhenOver } from "./abort-when-over.ts";
import { LINE } from "./call-values.ts";

/** Calls a handler. @returns whether it saw its call aborted */
async function isAborted(whenOver: RequestLine["whenOver"], during = () => {}): Promise<boolean | undefined> {
  let seen: boolean | undefined;
  const router = createConnectRouter().service(Health, {
    check: (_request, context) => {
      during();
      seen = context.signal.aborted;
      return {};
    },
  });
  abortWhenOver(router);
  const path = "/grpc.health.v1.Health/Check";
  await router.handlers.find(({ requestPath }) => requestPath === path)?.({
    ...{ httpVersion: "1.1", method: "POST", url: `http://x${path}` },
    header: new Headers({ "content-type": "application/json" }),
    body: {},
    // Connect's own, which never hears of an end before the call.
    signal: new AbortController().signal,
    contextValues: createContextValues().set(LINE, {
      ...{ id: "1", rpc: "Health/Check", whenOver, isOver: () => false, noteIngested: () => {} },
    }),
  });
  return seen;
}

test("a call whose request was over before it began is aborted", async () => {
  expect(await isAborted((callback) => callback())).toBe(true);
});

test("a call is aborted when its request ends, and not before", async () => {
  let end = () => {};
  const whenOver = (callback: () => void) => {
    end = callback;
  };
  expect(await isAborted(whenOver)).toBe(false);
  expect(await isAborted(whenOver, () => end())).toBe(true);
});
