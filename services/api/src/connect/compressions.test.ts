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
    const values = createContextValues().set(OVER, over.signal);
    const left = compressFor(values, async () => {
      await compress(LARGE);
      return { status: 200 };
    });
    over.abort(new Error("has left"));
    await expect(left).rejects.toThrow("has left");
    for (const { length } of await Promise.all(others)) expect(length).toBeGreaterThan(0);
  });

  test("is left out of a stream whose call ends, though its later messages are read elsewhere", async () => {
    const over = new AbortController();
    const { body } = await compressFor(createContextValues().set(OVER, over.signal), async () => ({
      status: 200,
      body: (async function* () {
        yield await compress(Buffer.from("first"));
        yield await compress(LARGE);
      })(),
    }));
    const messages = body?.[Symbol.asyncIterator]();
    expect((await messages?.next())?.done).toBe(false);
    const others = [compress(LARGE), compress(LARGE)];
    const left = messages?.next();
    over.abort(new Error("has left"));
    await expect(left).rejects.toThrow("has left");
    await Promise.all(others);
  });
});
