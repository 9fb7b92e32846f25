import { expect, test } from "vitest";
import { counted, gathered } from "./gathered-body.ts";

async function* inPieces(bytes: Buffer, size: number) {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

async function collect(pieces: AsyncIterable<Uint8Array>, onBytes = (_bytes: number) => {}) {
  const blocks: Uint8Array[] = [];
  for await (const block of gathered(pieces, onBytes)) blocks.push(block);
  return blocks;
}

const MESSAGE = Buffer.from(Array.from({ length: 1_000_003 }, (_, i) => i % 251));

test.each([1, 7, 30, 1_024, 65_536, 100_000, 2_000_000])(
  "a message in pieces of %i bytes is passed on unchanged, in few blocks",
  async (size) => {
    let counted = 0;
    const blocks = await collect(inPieces(MESSAGE, size), (bytes) => {
      counted += bytes;
    });
    expect(Buffer.concat(blocks).equals(MESSAGE)).toBe(true);
    expect(counted).toBe(MESSAGE.length);
    expect(blocks.length).toBeLessThan(40);
  },
);

test("the first piece is passed on at once: it holds a message's length", async () => {
  async function* pieces() {
    yield Buffer.from("head");
    throw new Error("the rest never comes");
  }
  const blocks = gathered(pieces(), () => {});
  expect((await blocks.next()).value).toEqual(Buffer.from("head"));
});

test("a body over its account's part ends with the refusal", async () => {
  const refusing = (bytes: number) => {
    if (bytes > 2) throw new Error("over");
  };
  await expect(collect(inPieces(Buffer.from("abcdef"), 3), refusing)).rejects.toThrow("over");
});

test("nothing, and empty pieces, are passed on as nothing", async () => {
  expect(await collect(inPieces(Buffer.alloc(0), 1))).toEqual([]);
  async function* empty() {
    yield Buffer.alloc(0);
    yield Buffer.from("a");
    yield Buffer.alloc(0);
  }
  expect(Buffer.concat(await collect(empty())).toString()).toBe("a");
});

test("each piece of a stream of messages is passed on before the next one comes, and counted", async () => {
  const sizes: number[] = [];
  const got: string[] = [];
  async function* pieces() {
    for (const text of ["first", "2", "third"]) {
      yield Buffer.from(text);
      got.push("sent on");
    }
  }
  for await (const piece of counted(pieces(), (bytes) => sizes.push(bytes))) {
    got.push(Buffer.from(piece).toString());
  }
  expect(got).toEqual(["first", "sent on", "2", "sent on", "third", "sent on"]);
  expect(sizes).toEqual([5, 1, 5]);
});
