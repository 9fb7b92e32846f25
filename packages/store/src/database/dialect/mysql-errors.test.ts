import { describe, expect, test } from "vitest";
import { isAway, isContention, isOfStaleConnection, withServerName } from "./mysql-errors.ts";

// The errors that a server gives on demand are tested on one: `test/refusing-database.test.ts`.

/** As the driver reports a server's error. */
const serverError = (errno: number, code?: string) =>
  Object.assign(new Error("refused"), { errno, sqlState: "HY000", ...(code === undefined ? {} : { code }) });

describe("a server's error counts as unavailable:", () => {
  test.each([
    [1927, "ER_UNKNOWN_TO_THE_DRIVER", "a connection that was killed (MariaDB)"],
    [4031, "ER_CLIENT_INTERACTION_TIMEOUT", "a session that was idle for too long"],
    [1053, "ER_SERVER_SHUTDOWN", "a shutdown"],
    [3032, "ER_SERVER_OFFLINE_MODE", "an offline server"],
    [1021, "ER_DISK_FULL", "a full disk"],
    [3, "EE_WRITE", "a file that cannot be written"],
    [1030, "ER_GET_ERRNO", "an error of the storage engine"],
    [1180, "ER_ERROR_DURING_COMMIT", "a commit that could not be written"],
    [1041, "ER_OUT_OF_RESOURCES", "a lack of memory"],
    [1135, "ER_CANT_CREATE_THREAD", "a lack of threads"],
    [3159, "ER_SECURE_TRANSPORT_REQUIRED", "a server that demands TLS since"],
    [1203, "ER_TOO_MANY_USER_CONNECTIONS", "too many connections of a user"],
    [1020, "ER_CHECKREAD", "a row that others changed again and again"],
  ])("%i (%s), %s", (errno, code, _what) => {
    expect(isAway(serverError(errno, code))).toBe(true);
    expect(isAway(new Error("outer", { cause: serverError(errno, code) }))).toBe(true);
  });
});

test.each([1290, 1836, 1792, 1036, 1874, 1047, 1142, 1820])(
  "the error %i counts as unavailable, and its connection is replaced",
  (errno) => {
    expect(isAway(serverError(errno))).toBe(true);
    expect(isOfStaleConnection(serverError(errno))).toBe(true);
  },
);

test.each([
  [1062, "ER_DUP_ENTRY"],
  [1064, "ER_PARSE_ERROR"],
  [1146, "ER_NO_SUCH_TABLE"],
  [1406, "ER_DATA_TOO_LONG"],
])("the error %i (%s) blames the statement", (errno, code) => {
  expect(isAway(serverError(errno, code))).toBe(false);
  expect(isOfStaleConnection(serverError(errno, code))).toBe(false);
});

test("any error that its connection does not survive counts as unavailable, whatever its code", () => {
  for (const code of [
    "ECONNABORTED",
    "EMFILE",
    "CERT_HAS_EXPIRED",
    "PROTOCOL_UNEXPECTED_PACKET",
    undefined,
  ]) {
    const error = Object.assign(new Error("lost"), { code, errno: -103, fatal: true });
    expect(isAway(error)).toBe(true);
  }
});

test("contention is what a transaction may be run again for", () => {
  expect([1020, 1205, 1213, 3101].map((errno) => isContention(serverError(errno)))).not.toContain(false);
  expect(isContention(serverError(1317))).toBe(false);
});

test("an error gets its server's name where the driver has none, or another server's", () => {
  expect(withServerName(serverError(1927))).toMatchObject({ code: "ER_CONNECTION_KILLED" });
  expect(withServerName(serverError(4151, "ER_BULK_PARSER_INCOMPLETE_ESCAPE_SEQUENCE"))).toMatchObject({
    code: "ER_ACCOUNT_HAS_BEEN_LOCKED",
  });
  expect(withServerName(serverError(1950))).toMatchObject({ code: "ER_1950" });
  expect(withServerName(serverError(1062, "ER_DUP_ENTRY"))).toMatchObject({ code: "ER_DUP_ENTRY" });
  const system = Object.assign(new Error("reset"), { code: "ECONNRESET", errno: -104 });
  expect(withServerName(system)).toMatchObject({ code: "ECONNRESET" });
  expect(withServerName(null)).toBeNull();
});
