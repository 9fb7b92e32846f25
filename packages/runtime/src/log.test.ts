import { expect, test } from "vitest";
import { createLog } from "./log.ts";

function recording() {
  const lines: string[] = [];
  const log = createLog("info", { service: "test" }, { write: (line) => void lines.push(line) });
  return { log, parsed: () => lines.map((line) => JSON.parse(line)), text: () => lines.join("") };
}

test("a line holds its event, its time and the fields bound to the log and to the line", () => {
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

test("an error is logged with its code, stack and causes, and without what a driver hangs on it", () => {
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

test("an error that causes itself, or is none, is logged all the same", () => {
  const { log, parsed } = recording();
  const circle = new Error("round");
  circle.cause = circle;
  log.error("x", circle);
  log.error("y", "just a text");
  expect(parsed()).toMatchObject([{ error: { message: "round" } }, { error: { message: "just a text" } }]);
});

test("lines below the level are not written", () => {
  const lines: string[] = [];
  const log = createLog("warn", {}, { write: (line) => void lines.push(line) });
  log.info("quiet");
  log.warn("loud");
  expect(lines).toHaveLength(1);
});
