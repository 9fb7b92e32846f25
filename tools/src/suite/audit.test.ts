import { expect, test } from "vitest";
import { judgeAudit } from "./audit.ts";

const report = (total: number, vulnerabilities = {}) =>
  `npm warn something\n${JSON.stringify({ vulnerabilities, metadata: { vulnerabilities: { total } } }, null, 2)}\nnpm notice`;

test("a report without vulnerabilities passes", () => {
  expect(judgeAudit(report(0))).toEqual({ passed: 1, failed: 0 });
});

test("a vulnerability fails the audit and is named", () => {
  expect(judgeAudit(report(1, { "left-pad": { severity: "high" } }))).toMatchObject({
    failed: 1,
    details: expect.stringContaining("left-pad (high)"),
  });
});

test.each(["", 'npm error audit endpoint returned an error\n{\n"statusCode": 405\n}\n', "{ broken"])(
  "an audit without an answer neither passes nor fails, and says so: %j",
  (output) => {
    expect(judgeAudit(output)).toMatchObject({
      passed: 0,
      failed: 0,
      details: expect.stringContaining("no audit"),
    });
  },
);
