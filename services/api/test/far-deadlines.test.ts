import { afterAll, beforeAll, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
const warned: string[] = [];
const note = ({ name }: Error) => warned.push(name);
beforeAll(async () => {
  t = await startBench();
  process.on("warning", note);
});
afterAll(async () => {
  process.off("warning", note);
  await t.dispose();
});

/** Deadlines around the longest delay of a timer, and deadlines that callers send to mean none. */
test.each([
  ["connect-timeout-ms", "2147483647"],
  ["connect-timeout-ms", "2147483648"],
  ["connect-timeout-ms", "9999999999"],
  ["grpc-timeout", "2147483S"],
  ["grpc-timeout", "2147484S"],
  ["grpc-timeout", "35792M"],
  ["grpc-timeout", "99999999H"],
])("a far deadline does not end a call: %s: %s", async (name, value) => {
  const grpc = name === "grpc-timeout";
  warned.length = 0;
  const response = await fetch(`${t.url}/posthaste.v1.EventCatalogService/ListEventTypes`, {
    method: "POST",
    headers: {
      "content-type": grpc ? "application/grpc-web+json" : "application/json",
      authorization: `Bearer ${t.token}`,
      [name]: value,
    },
    body: grpc ? Buffer.from([0, 0, 0, 0, 2, ...Buffer.from("{}")]) : "{}",
  });
  const text = await response.text();
  if (grpc) expect(text).toContain("grpc-status: 0");
  else expect(response.status).toBe(200);
  expect(warned).toEqual([]);
});

test("a malformed deadline is refused", async () => {
  const response = await fetch(`${t.url}/posthaste.v1.EventCatalogService/ListEventTypes`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${t.token}`,
      "connect-timeout-ms": "soon",
    },
    body: "{}",
  });
  expect(response.status).toBe(400);
});
