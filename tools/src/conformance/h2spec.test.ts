import { expect, test } from "vitest";
import { casesIn, judge } from "./h2spec.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="3.5. HTTP/2 Connection Preface" package="http2/3.5" id="3.5" tests="2" errors="1">
    <testcase package="http2/3.5" classname="Sends client connection preface" time="0.0006"></testcase>
    <testcase package="http2/3.5" classname="Sends &#34;no&#34; preface &amp; waits" time="0.0021">
      <error>Expect:
GOAWAY Frame (Error Code: PROTOCOL_ERROR)
Actual:
Timeout</error>
    </testcase>
  </testsuite>
</testsuites>`;
const PASSING = "http2/3.5: Sends client connection preface";
const FAILING = 'http2/3.5: Sends "no" preface & waits';

test("the cases of a report have their section, their demand and their result", () => {
  expect(casesIn(REPORT)).toEqual([
    { name: PASSING, isPassed: true },
    { name: FAILING, isPassed: false },
  ]);
});

test("a case that fails and is not listed fails the suite", () => {
  expect(judge(casesIn(REPORT), {})).toMatchObject({
    passed: 1,
    failed: 1,
    failures: [`failed: ${FAILING}`],
  });
});

test("a case that fails and is listed counts as nothing", () => {
  expect(judge(casesIn(REPORT), { [FAILING]: "Node's" })).toEqual({ passed: 1, failed: 0 });
});

test("a listed case that passes, or that does not exist, fails the suite", () => {
  const listed = { [FAILING]: "Node's", [PASSING]: "Node's", "http2/9: Does not exist": "Node's" };
  expect(judge(casesIn(REPORT), listed)).toMatchObject({
    passed: 1,
    failed: 2,
    failures: [
      `passes, but is listed as failing: ${PASSING}`,
      "is listed, but is no case: http2/9: Does not exist",
    ],
  });
});

test("a report without cases fails the suite", () => {
  expect(judge([], {})).toMatchObject({ passed: 0, failed: 1 });
});
