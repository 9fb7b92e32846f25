import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { createContextValues } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { OVER } from "./call-values.ts";
import { COMPRESSIONS, compressFor } from "./compressions.ts";

const LARGE = Buffer.from("invoice ".repeat(100_000));

describe.each(COMPRESSIONS)("what $name compresses", ({ name, compress }) => {
  test("is what was given", async () => {
    const inflate = name === "gzip" ? gunzipSync : brotliDecompressSync;
    expect(inflate(await compress(LARGE)).equals(LARGE)).toBe(true);
  });

  test("is left out of a call that ends while it waits for others", async () => {
    const over = new AbortController();
    const others = [compress(LARGE), compress(LARGE)];
    const left = compressFor(createContextValues().set(OVER, over.signal), () => compress(LARGE));
    over.abort(new Error("has left"));
    await expect(left).rejects.toThrow("has left");
    for (const { length } of await Promise.all(others)) expect(length).toBeGreaterThan(0);
  });
});
