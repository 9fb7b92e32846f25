import { describe, expect, test } from "vitest";
import { clearTextWarning, readMysqlUrl } from "./mysql-url.ts";

const SERVER = "mysql://me:hush@db.internal/name";
/** Refused with this, whatever the values are: none may be repeated. */
const REFUSED: readonly [query: string, why: RegExp][] = [
  [
    "sslmode=hush",
    /^parameter sslmode is unknown: the URL takes ssl-mode, ssl-ca, ssl-cert, ssl-key, socketP/,
  ],
  ["ssl=true", /^parameter ssl is unknown/],
  ["ssl-mode=REQUIRED&multipleStatements=true", /^parameter multipleStatements is unknown/],
  ["user=hush", /^parameter user is unknown/],
  ["hush%0A[", /^a parameter is unknown/],
  ["ssl-mode=hush", /^ssl-mode must be one of DISABLED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY$/],
  ["ssl-mode=PREFERRED", /^ssl-mode must be one of/],
  ["ssl-mode=", /^parameter ssl-mode is empty$/],
  ["ssl-mode=REQUIRED&ssl-mode=DISABLED", /^parameter ssl-mode is given twice$/],
  ["ssl-ca=hush", /^ssl-ca is used only with ssl-mode=VERIFY_CA or VERIFY_IDENTITY$/],
  ["ssl-mode=REQUIRED&ssl-ca=hush", /^ssl-ca is used only with/],
  ["ssl-mode=VERIFY_CA", /^ssl-mode=VERIFY_CA needs ssl-ca: without it, any public certificate would pass$/],
  ["ssl-mode=REQUIRED&ssl-cert=hush", /^ssl-cert and ssl-key need each other$/],
  ["ssl-mode=REQUIRED&ssl-key=hush", /^ssl-cert and ssl-key need each other$/],
  [
    "ssl-cert=hush&ssl-key=hush",
    /^ssl-cert is used only with ssl-mode=REQUIRED, VERIFY_CA or VERIFY_IDENTITY$/,
  ],
  ["ssl-mode=DISABLED&ssl-cert=hush&ssl-key=hush", /^ssl-cert is used only with/],
  ["ssl-mode=REQUIRED&socketPath=hush", /^socketPath needs no TLS: leave out ssl-mode$/],
];

const refusalOf = (url: string): string => {
  try {
    readMysqlUrl(url);
  } catch (error) {
    return (error as Error).message;
  }
  return "none";
};

describe("the URL of a MySQL server", () => {
  test.each(REFUSED)("with ?%s is refused by a sentence that repeats no value", (query, why) => {
    const refusal = refusalOf(`${SERVER}?${query}`);
    expect(refusal).toMatch(why);
    expect(refusal).not.toContain("hush");
  });

  test("names everything that is needed for TLS", () => {
    const query = "ssl-mode=verify_identity&ssl-ca=/etc/c+a.pem&ssl-cert=%2Fc.pem&ssl-key=/k.pem";
    expect(readMysqlUrl(`mysql://m%40e:a%25b@[::1]:3307/na%20me?${query}`)).toEqual({
      host: "::1",
      port: 3307,
      user: "m@e",
      password: "a%b",
      database: "na me",
      socketPath: undefined,
      sslMode: "VERIFY_IDENTITY",
      sslFiles: { "ssl-ca": "/etc/c+a.pem", "ssl-cert": "/c.pem", "ssl-key": "/k.pem" },
    });
  });

  test("may name a host in any script", () => {
    expect(readMysqlUrl("mysql://datenbänke.example/name").host).toBe("datenbänke.example");
  });

  test("needs no port, no user and no parameter, and no host with a socket", () => {
    expect(readMysqlUrl("mysql://db/name")).toMatchObject({ host: "db", port: 3306, user: "", password: "" });
    expect(readMysqlUrl("mysql:///name?socketPath=/run/s")).toMatchObject({ socketPath: "/run/s" });
  });
});

describe("clear text", () => {
  test("is warned of if it crosses a network", () => {
    expect(clearTextWarning(readMysqlUrl(SERVER))).toBe(
      "the connection to the database at db.internal is not encrypted: add ?ssl-mode=VERIFY_IDENTITY to DATABASE_URL, or ?ssl-mode=DISABLED if nobody else can read that network",
    );
    expect(clearTextWarning(readMysqlUrl("mysql://127.0.0.1.example/name"))).toContain("127.0.0.1.example");
  });

  test.each([
    "mysql://127.0.0.1:3306/name",
    "mysql://localhost/name",
    "mysql://[::1]/name",
    "mysql:///name?socketPath=/run/s",
    `${SERVER}?ssl-mode=DISABLED`,
    `${SERVER}?ssl-mode=REQUIRED`,
  ])("is not warned of for %s", (url) => {
    expect(clearTextWarning(readMysqlUrl(url))).toBeUndefined();
  });
});
