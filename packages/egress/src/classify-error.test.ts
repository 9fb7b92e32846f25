import { errors } from "undici";
import { describe, expect, test } from "vitest";
import { classifyError, isLack } from "./classify-error.ts";
import { ProxyFault } from "./proxy-fault.ts";

const failed = (code: string) => Object.assign(new Error(code), { code });
/** Node's error if no connection to any of several addresses succeeds. */
const allFailed = (...codes: readonly string[]) =>
  Object.assign(new AggregateError(codes.map(failed)), { code: codes[0] });

test.each([
  [["ECONNREFUSED", "ETIMEDOUT"], { outcome: "refused", detail: "ECONNREFUSED" }],
  [["ETIMEDOUT", "ECONNREFUSED"], { outcome: "timeout", detail: "ETIMEDOUT" }],
] as const)("the failure of the first of several addresses counts: %j", (codes, classified) => {
  const cause = allFailed(...codes);
  expect(classifyError(cause)).toEqual(classified);
  // undici wraps the errors if any connection timed out.
  const wrapped = Object.assign(new errors.ConnectTimeoutError("attempted several"), { cause });
  expect(classifyError(wrapped)).toEqual(classified);
});

describe("a machine that has no address left", () => {
  const away = (address: string) => Object.assign(failed("EADDRNOTAVAIL"), { address });
  const [of6, of4] = [away("2606:4700::1"), away("192.0.2.1")];
  const unrouted = Object.assign(failed("ENETUNREACH"), { address: "2606:4700::1" });
  const deadRoute = Object.assign(failed("EHOSTUNREACH"), { address: "2606:4700::1" });
  const refused = { outcome: "refused", detail: "ECONNREFUSED" };
  const unreachable = { outcome: "unreachable", detail: "EADDRNOTAVAIL" };

  test("it looks once at its own addresses, however many it has dialled", () => {
    let looks = 0;
    const look = () => {
      looks += 1;
      return false;
    };
    expect(classifyError(new AggregateError(Array(2_000).fill(of6)), look)).toEqual(unreachable);
    expect(looks).toBe(1);
  });

  test.each([
    ["for IPv4", of4, false, "fault"],
    ["for IPv6, which it has", of6, true, "fault"],
    ["for IPv6, which it has not", of6, false, unreachable],
    ["for both", new AggregateError([of6, of4]), false, "fault"],
    ["for IPv6 and another", new AggregateError([of6, of6]), false, unreachable],
    [
      "for IPv6, and an IPv4 address that refuses",
      new AggregateError([of6, failed("ECONNREFUSED")]),
      false,
      refused,
    ],
    ["for IPv6, which it has", new AggregateError([of6, failed("ECONNREFUSED")]), true, "fault"],
    ["for IPv4, and no route for IPv6", new AggregateError([unrouted, of4]), false, "fault"],
    [
      "no route for IPv6, and an IPv4 address that refuses",
      new AggregateError([unrouted, failed("ECONNREFUSED")]),
      false,
      refused,
    ],
    [
      "a dead route for IPv6, and an IPv4 address that refuses",
      new AggregateError([deadRoute, failed("ECONNREFUSED")]),
      false,
      refused,
    ],
    ["no memory for its resolver", failed("EAI_MEMORY"), false, "fault"],
    ["no descriptor left", new AggregateError([failed("ECONNREFUSED"), failed("EMFILE")]), false, "fault"],
  ] as const)("%s", (_what, error, hasIpv6, classified) => {
    expect(classifyError(error, () => hasIpv6)).toEqual(classified);
  });
});

test("a lack of descriptors is told from what another address may help with", () => {
  expect(["EMFILE", "ENFILE", "ENOMEM"].map(failed).every(isLack)).toBe(true);
  expect(["ECONNREFUSED", "EADDRNOTAVAIL", "ETIMEDOUT"].map(failed).some(isLack)).toBe(false);
});

describe("of several tunnels through a proxy", () => {
  const unreached = (code: string) => new ProxyFault("cannot be reached", { cause: failed(code) });
  const refused = failed("PROXY_502");
  test.each([
    ["none of which reached it", [unreached("ECONNREFUSED"), unreached("ETIMEDOUT")], "fault"],
    [
      "one was refused",
      [unreached("ECONNREFUSED"), refused],
      { outcome: "unreachable", detail: "PROXY_502" },
    ],
    ["one was refused, and another found no descriptor", [refused, unreached("EMFILE")], "fault"],
  ] as const)("%s", (_what, errors, classified) => {
    expect(classifyError(new AggregateError(errors))).toEqual(classified);
  });

  test("the only one that did not reach it is a fault", () => {
    expect(classifyError(unreached("ECONNREFUSED"))).toBe("fault");
    expect(classifyError(new ProxyFault("refuses the credentials"))).toBe("fault");
  });
});

test("the HTTP client's connect timeout is a timeout", () => {
  expect(classifyError(new errors.ConnectTimeoutError())).toEqual({
    outcome: "timeout",
    detail: "UND_ERR_CONNECT_TIMEOUT",
  });
});
