import { expect, test } from "vitest";
import { parseUpOptions } from "./options.ts";

const parse = (...args: string[]) => parseUpOptions(args, "/somewhere");

test("the defaults are the documented ports and a folder in the current directory", () => {
  expect(parse()).toEqual({
    demo: false,
    port: 8080,
    temporalPort: undefined,
    temporalUiPort: 8233,
    dataDir: "/somewhere/.posthaste",
  });
});

test("every option is parsed", () => {
  expect(
    parse("--demo", "--port=9000", "--temporal-port=9002", "--temporal-ui-port=9001", "--data", "/data"),
  ).toEqual({
    demo: true,
    port: 9000,
    temporalPort: 9002,
    temporalUiPort: 9001,
    dataDir: "/data",
  });
  expect(parse("--help")).toBe("help");
});

test.each([
  [["--colour"], /Unknown option '--colour': see npm run up -- --help/],
  [["extra"], /Unexpected argument 'extra'/],
  [["--port"], /--port.*argument missing/],
  [["--port", "0"], /--port is "0": give a port from 1 to 65535/],
  [["--port", "65536"], /--port is "65536"/],
  [["--port", "8080.5"], /--port is "8080.5"/],
  [["--temporal-ui-port", "http"], /--temporal-ui-port is "http"/],
  [["--data", ""], /--data is empty/],
  [["--port", "8233"], /--port and --temporal-ui-port are both 8233: choose different ports/],
  [["--temporal-port", "8080"], /--port and --temporal-port are both 8080/],
] as const)("%j is refused in one line", (args, message) => {
  expect(() => parse(...args)).toThrow(message);
  expect(() => parse(...args)).not.toThrow(/\n/);
});
