import { describe, expect, test } from "vitest";
import { beginningOf, bodyText, hexDump } from "./body-text.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

describe("a body", () => {
  test("that is UTF-8 is shown as text, whatever the text is", () => {
    for (const text of ["", "Zoë 🚀", '[{"a":1}]', "<script>alert(1)</script>", "\u202e\u001b[31m\t\r\n"]) {
      expect(bodyText(bytesOf(text), false)).toEqual({ text, isHex: false });
    }
  });

  test("that is not UTF-8, or has NUL, is shown as bytes", () => {
    const gzip = Uint8Array.of(0x1f, 0x8b, 0x08, 0x00, 0x3c, 0x62, 0x3e);
    expect(bodyText(gzip, false)).toEqual({ text: hexDump(gzip), isHex: true });
    expect(bodyText(Uint8Array.of(0x61, 0xe9), false).isHex).toBe(true);
    expect(bodyText(bytesOf("a\0b"), false).isHex).toBe(true);
  });

  test("that was cut within a character is text up to that", () => {
    const cut = bytesOf("Zoë 🚀").subarray(0, -1);
    expect(bodyText(cut, true)).toEqual({ text: "Zoë ", isHex: false });
    expect(bodyText(cut, false).isHex).toBe(true);
    expect(bodyText(Uint8Array.of(0xff, 0x61), true).isHex).toBe(true);
  });
});

test("bytes are shown in rows of 16, with their offset and their ASCII characters", () => {
  const bytes = Uint8Array.from([0, 0x1f, 0x20, 0x3c, 0x7e, 0x7f, 0x80, 0xff, ...bytesOf("posthaste")]);
  expect(hexDump(bytes)).toBe(
    [
      "00000000  00 1f 20 3c 7e 7f 80 ff  70 6f 73 74 68 61 73 74  |.. <~...posthast|",
      "00000010  65                                                |e|",
    ].join("\n"),
  );
  expect(hexDump(new Uint8Array())).toBe("");
});

describe("of a long text, the page shows at first", () => {
  test("32 KiB", () => {
    expect(beginningOf("x".repeat(32_768))).toHaveLength(32_768);
    expect(beginningOf("x".repeat(32_769))).toHaveLength(32_768);
  });

  test("400 lines", () => {
    const lines = (count: number) => Array.from({ length: count }, (_, i) => `${i}`).join("\n");
    expect(beginningOf(lines(400))).toBe(lines(400));
    expect(beginningOf(lines(401))).toBe(lines(400));
    expect(beginningOf("\n".repeat(1_000))).toBe("\n".repeat(399));
  });

  test("whole characters", () => {
    expect(beginningOf(`${"x".repeat(32_767)}🚀`)).toBe("x".repeat(32_767));
    expect(beginningOf(`${"x".repeat(32_766)}🚀y`)).toBe(`${"x".repeat(32_766)}🚀`);
  });
});
