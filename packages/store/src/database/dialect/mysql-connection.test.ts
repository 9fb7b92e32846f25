import { EventEmitter } from "node:events";
import type { PoolConnection } from "mysql2";
import { afterEach, describe, expect, test, vi } from "vitest";
import { DeadlinePassed } from "./deadlines.ts";
import { fixedStatement } from "./fixed-statement.ts";
import { boundConnection, ConnectionLost } from "./mysql-connection.ts";

const FIXED = fixedStatement("insert into a (b) values (?)");
const SOON_MS = 5;
const NEVER_MS = 1_000_000;

afterEach(() => {
  vi.useRealTimers();
});

type Answer = (error: unknown, result?: unknown) => void;

/** A connection whose server answers when the test says so. */
function setup(statementMs: number, { isClosed = false } = {}) {
  const sent: { readonly text: string; readonly answer: Answer }[] = [];
  const stream = Object.assign(new EventEmitter(), {
    closed: isClosed,
    destroy: vi.fn(),
    destroySoon: vi.fn(),
  });
  const send = (text: string, _values: unknown[], answer: Answer) => void sent.push({ text, answer });
  const driver = Object.assign(new EventEmitter(), {
    stream,
    query: send,
    execute: send,
    destroy: vi.fn(),
    release: vi.fn(),
  });
  const onSilent = vi.fn();
  const onStale = vi.fn();
  const onRelease = vi.fn();
  const onClose = vi.fn();
  const connection = boundConnection(driver as unknown as PoolConnection, {
    statementMs,
    onSilent,
    onStale,
    onError: () => {},
    onRelease,
    onClose,
  });
  const ask = (text: string) =>
    new Promise((resolve, reject) =>
      connection.query(text, [], (error, result) => (error === null ? resolve(result) : reject(error))),
    );
  return { connection, driver, stream, sent, ask, onSilent, onStale, onRelease, onClose };
}

describe("a connection", () => {
  test.each(["select 1", FIXED])(
    "is closed together with its socket if %s is not answered in time",
    async (text) => {
      const { ask, driver, stream, onSilent } = setup(SOON_MS);
      await expect(ask(text)).rejects.toThrow(DeadlinePassed);
      expect(driver.destroy).toHaveBeenCalledOnce();
      expect(stream.destroy).toHaveBeenCalledOnce();
      expect(onSilent).toHaveBeenCalledOnce();
    },
  );

  test.each([true, false])("is reported once as closed (socket closed before: %s)", async (isClosed) => {
    const { stream, onClose } = setup(NEVER_MS, { isClosed });
    // Not before the caller knows the connection.
    expect(onClose).not.toHaveBeenCalled();
    if (!isClosed) stream.emit("close");
    await new Promise((resolve) => setImmediate(resolve));
    expect(onClose).toHaveBeenCalledOnce();
  });

  test("that was closed is sent nothing, so the rest of a transaction fails at once", async () => {
    const { ask, sent } = setup(SOON_MS);
    await expect(ask("select 1")).rejects.toThrow(DeadlinePassed);
    const rest = await ask("rollback").catch((error: unknown) => error);
    expect(rest).toBeInstanceOf(ConnectionLost);
    expect(rest).toMatchObject({ code: "PROTOCOL_CONNECTION_LOST", cause: { code: "ETIMEDOUT" } });
    expect(sent.map(({ text }) => text)).toEqual(["select 1"]);
  });

  test("that breaks between two statements fails the next one with a code", async () => {
    const { ask, driver, sent } = setup(NEVER_MS);
    driver.emit("error", Object.assign(new Error("reset"), { code: "ECONNRESET", fatal: true }));
    await expect(ask("select 1")).rejects.toMatchObject({ cause: { code: "ECONNRESET" } });
    expect(sent).toEqual([]);
  });

  test("that breaks reports it once, although the driver reports a prepared statement twice", async () => {
    const { connection, sent } = setup(NEVER_MS);
    const answer = vi.fn();
    connection.query(FIXED, [], answer);
    const error = Object.assign(new Error("reset"), { code: "ECONNRESET", fatal: true });
    sent[0]?.answer(error);
    sent[0]?.answer(error);
    expect(answer).toHaveBeenCalledExactlyOnceWith(error, undefined);
  });

  test("that is already closed when a statement reaches it fails the statement with a code", async () => {
    const { ask, sent } = setup(NEVER_MS);
    const failing = ask("select 1");
    const message = "Can't add new command when connection is in closed state";
    sent[0]?.answer(Object.assign(new Error(message), { fatal: true }));
    await expect(failing).rejects.toMatchObject({
      code: "PROTOCOL_CONNECTION_LOST",
      cause: { message },
    });
    await expect(ask("select 2")).rejects.toThrow(ConnectionLost);
  });

  test("whose server is read-only fails its statement and is closed", async () => {
    const { ask, sent, driver, onStale, onSilent } = setup(NEVER_MS);
    const failing = ask("insert");
    sent[0]?.answer(Object.assign(new Error("read-only"), { code: "ER_READ_ONLY_MODE", errno: 1836 }));
    await expect(failing).rejects.toMatchObject({ code: "ER_READ_ONLY_MODE" });
    expect(onStale).toHaveBeenCalledOnce();
    expect(onSilent).not.toHaveBeenCalled();
    expect(driver.destroy).toHaveBeenCalledOnce();
    await expect(ask("rollback")).rejects.toThrow(ConnectionLost);
  });

  test("survives an error of the statement", async () => {
    const { ask, sent } = setup(NEVER_MS);
    const failing = ask("select nonsense");
    sent[0]?.answer(Object.assign(new Error("no such column"), { code: "ER_BAD_FIELD_ERROR" }));
    await expect(failing).rejects.toMatchObject({ code: "ER_BAD_FIELD_ERROR" });
    const next = ask("select 1");
    sent[1]?.answer(null, []);
    await expect(next).resolves.toEqual([]);
  });

  test("survives values that the driver refuses to send", async () => {
    vi.useFakeTimers();
    const { ask, driver, sent } = setup(SOON_MS);
    driver.execute = () => {
      throw new TypeError("undefined is no value");
    };
    await expect(ask(FIXED)).rejects.toThrow(TypeError);
    vi.runAllTimers();
    const next = ask("select 1");
    sent[0]?.answer(null, []);
    await expect(next).resolves.toEqual([]);
  });

  test("that is destroyed fails the statements in flight", async () => {
    const { ask, connection } = setup(NEVER_MS);
    const calls = [ask("select 1"), ask("select 2")];
    connection.destroy(new Error("the pool is closed"));
    const ended = await Promise.allSettled(calls);
    expect(ended).toMatchObject([
      { status: "rejected", reason: { message: "the pool is closed" } },
      { status: "rejected", reason: { message: "the pool is closed" } },
    ]);
  });
});
