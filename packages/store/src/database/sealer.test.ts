import { describe, expect, test } from "vitest";
import { createSealer, parseSealingKeys, SealError } from "./sealer.ts";

const keyOf = (byte: number) => Buffer.alloc(32, byte).toString("base64");
const sealerOf = (text: string) => createSealer(parseSealingKeys(text));

describe("a sealed secret", () => {
  const sealer = sealerOf(`new:${keyOf(2)},old:${keyOf(1)}`);

  test("opens for its own context and does not reveal its text", () => {
    const sealed = sealer.seal("hush é 🚀", "subscription/1/secret");
    expect(sealed.toString("latin1")).not.toContain("hush");
    expect(sealer.open(sealed, "subscription/1/secret")).toBe("hush é 🚀");
    expect(sealer.open(sealer.seal("", "a"), "a")).toBe("");
  });

  test("differs each time it is sealed", () => {
    expect(sealer.seal("hush", "a").equals(sealer.seal("hush", "a"))).toBe(false);
  });

  test("does not open for another row or purpose", () => {
    const sealed = sealer.seal("hush", "subscription/1/secret");
    for (const context of ["subscription/2/secret", "subscription/1/credential", ""]) {
      expect(() => sealer.open(sealed, context)).toThrow(SealError);
    }
  });

  test("does not open if any of its bytes was changed or cut off", () => {
    const sealed = sealer.seal("hush", "a");
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => sealer.open(changed, "a")).toThrow(SealError);
    }
    for (let length = 0; length < sealed.length; length++) {
      expect(() => sealer.open(sealed.subarray(0, length), "a")).toThrow(SealError);
    }
  });

  test("that cannot be opened names the missing key and reveals nothing", () => {
    const sealed = sealerOf(`old:${keyOf(1)}`).seal("hush", "a");
    expect(sealer.open(sealed, "a")).toBe("hush");
    expect(sealer.isCurrent(sealed)).toBe(false);
    expect(sealer.isCurrent(sealer.seal("hush", "a"))).toBe(true);
    expect(() => sealerOf(`new:${keyOf(2)}`).open(sealed, "a")).toThrow("the key old, which");
    expect(() => sealerOf(`old:${keyOf(9)}`).open(sealed, "a")).toThrow(
      /not the original one, or the value was changed$/,
    );
    expect(() => createSealer(undefined).seal("hush", "a")).toThrow("POSTHASTE_SECRET_KEYS is not set");
  });
});

test.each([
  "",
  "hush",
  `:${keyOf(1)}`,
  "a:hush",
  `a:${Buffer.alloc(31).toString("base64")}`,
  `a:${Buffer.alloc(33).toString("base64")}`,
  `a b:${keyOf(1)}`,
  `a:${keyOf(1)},`,
  `a:${keyOf(1)},a:${keyOf(2)}`,
])("%j is refused as a list of keys and not quoted", (text) => {
  const read = () => parseSealingKeys(text);
  expect(read).toThrow(/expected ID:KEY|appears twice/);
  expect(read).not.toThrow(/hush|BwcH|AAAA/);
});
