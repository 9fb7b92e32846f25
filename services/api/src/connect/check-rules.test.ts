import { create } from "@bufbuild/protobuf";
import { createValidator, RuntimeError } from "@bufbuild/protovalidate";
import { Code, ConnectError, type UnaryRequest } from "@connectrpc/connect";
import { createValidateInterceptor } from "@connectrpc/validate";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { expect, test } from "vitest";
import { checkRules } from "./check-rules.ts";

const { ingestEvent: method } = EventIngestService.method;
const request = { stream: false, method, message: create(method.input) } as unknown as UnaryRequest;

test("a rule that cannot be evaluated is a fault, not the caller's mistake", async () => {
  const broken = new RuntimeError("the rule is wrong");
  const validator = { ...createValidator(), validate: () => ({ kind: "error", error: broken }) as never };
  const call = checkRules(createValidateInterceptor({ validator }))(() =>
    Promise.reject(new Error("unreached")),
  );
  await expect(call(request)).rejects.toBe(broken);
});

test("an error from the handler passes unchanged, even if it reports violations", async () => {
  const thrown = new ConnectError("no", Code.InvalidArgument);
  const validator = { ...createValidator(), validate: () => ({ kind: "valid" }) as never };
  const call = checkRules(createValidateInterceptor({ validator }))(() => Promise.reject(thrown));
  await expect(call(request)).rejects.toBe(thrown);
});
