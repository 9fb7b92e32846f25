import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { withLock } from "../start/lock.mjs";

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "posthaste-lock-"));
  path = join(dir, "cache", "a.lock");
});
afterEach(() => rm(dir, { recursive: true, force: true }));

test("a lock has one holder at a time, calls onWait once per waiter, and leaves no files", async () => {
  let inside = 0;
  const onWait = vi.fn();
  const hold = async () =>
    await withLock(
      path,
      async () => {
        inside += 1;
        await new Promise((resolve) => setImmediate(resolve));
        expect(inside).toBe(1);
        inside -= 1;
        return "done";
      },
      { onWait },
    );
  expect(await Promise.all([hold(), hold(), hold()])).toEqual(["done", "done", "done"]);
  expect(onWait).toHaveBeenCalledTimes(2);
  expect(await readdir(join(dir, "cache"))).toEqual([]);
});

test("a lock is released if the function fails", async () => {
  await expect(withLock(path, () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  expect(await withLock(path, async () => "next")).toBe("next");
});

test("a lock that is not refreshed is taken over", async () => {
  void withLock(path, () => new Promise(() => {}));
  // The holder refreshes the lock once a second.
  expect(await withLock(path, async () => "taken", { silentMs: 100 })).toBe("taken");
});

test("a holder that was suspended ends its work when it resumes, and leaves the next holder's lock", async () => {
  let wasHeld = false;
  const first = withLock(path, async ({ lost, confirm }) => {
    confirm();
    wasHeld = true;
    await once(lost, "abort");
    confirm();
  });
  first.catch(() => {});
  // A patience below the holder's beat makes the holder look suspended.
  const second = withLock(
    path,
    async () => {
      await expect(first).rejects.toThrow(/^this command was suspended, .*: run it again/);
      return await readdir(join(dir, "cache"));
    },
    { silentMs: 100 },
  );
  expect(await second).toEqual(["a.lock"]);
  expect(wasHeld).toBe(true);
  expect(await readdir(join(dir, "cache"))).toEqual([]);
});

test("a holder that was suspended until its successor had ended learns of it", async () => {
  const first = withLock(
    path,
    async ({ confirm }) => {
      await withLock(path, async () => {}, { silentMs: 100 });
      expect(confirm).toThrow(/^this command was suspended/);
    },
    { silentMs: 100 },
  );
  await expect(first).rejects.toThrow(/^this command was suspended/);
});

test("a lock that was removed by hand stays removed, and its holder finishes", async () => {
  expect(await withLock(path, async () => await rm(path, { recursive: true }).then(() => "done"))).toBe(
    "done",
  );
  expect(await readdir(join(dir, "cache"))).toEqual([]);
});

test("a lock folder that cannot be created is reported in one line", async () => {
  await writeFile(join(dir, "cache"), "");
  await expect(withLock(path, async () => {})).rejects.toThrow(/cache is not writable \(\w+\)/);
});
