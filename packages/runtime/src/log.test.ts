import { expect, test } from "vitest";
import { createLog } from "./log.ts";

function recording() {
  const lines: string[] = [];
  const log = createLog("info", { service: "test" }, { write: (line) => void lines.push(line) });
  return { log, parsed: () => lines.map((line) => JSON.parse(line)), text: () => lines.join("") };
}

test("a line holds its event, its time, the log's fields and its own fields", () => {
  const { log, parsed } = recording();
  log.with({ deliveryId: "dlv_1" }).info("delivery.attempted", { status: 200 });
  expect(parsed()).toEqual([
    {
      level: "info",
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      service: "test",
      deliveryId: "dlv_1",
      status: 200,
      event: "delivery.attempted",
    },
  ]);
});

test("an error is logged with its code, stack and causes, and without a driver's extra fields", () => {
  const { log, parsed, text } = recording();
  const driver = Object.assign(new Error("lost"), {
    code: "ECONNRESET",
    sql: "insert … 'hush'",
    parameters: ["hush"],
  });
  log.error("delivery.faulted", new Error("cannot write", { cause: driver }));
  expect(parsed()[0].error).toMatchObject({
    type: "Error",
    message: "cannot write",
    stack: expect.stringContaining("log.test.ts"),
    cause: { message: "lost", code: "ECONNRESET" },
  });
  expect(text()).not.toContain("hush");
});

test("an error that stands for several is logged with the first of them", () => {
  const { log, parsed } = recording();
  const failed = Array.from({ length: 5 }, () =>
    Object.assign(new Error("no descriptor"), { code: "EMFILE" }),
  );
  log.error("delivery.faulted", new AggregateError(failed));
  expect(parsed()[0].error.errors).toHaveLength(3);
  expect(parsed()[0].error).toMatchObject({ type: "AggregateError", errors: [{ code: "EMFILE" }, {}, {}] });
});

test("an error that causes itself is logged, and so is a thrown text", () => {
  const { log, parsed } = recording();
  const circular = new Error("circular");
  circular.cause = circular;
  log.error("x", circular);
  log.error("y", "just a text");
  expect(parsed()).toMatchObject([{ error: { message: "circular" } }, { error: { message: "just a text" } }]);
});

test("lines below the level are not written", () => {
  const lines: string[] = [];
  const log = createLog("warn", {}, { write: (line) => void lines.push(line) });
  log.info("quiet");
  log.warn("loud");
  expect(lines).toHaveLength(1);
});
