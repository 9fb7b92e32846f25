import { create } from "@bufbuild/protobuf";
import {
  type Delivery,
  DeliveryChangeSchema,
  DeliverySchema,
  DeliveryState,
} from "@posthaste/contracts/delivery";
import { expect, test } from "vitest";
import { type List, newCount, nextShown, type Shown, showing, withChanges } from "./held-list.ts";

const { PENDING, STARTED, SUCCEEDED } = DeliveryState;
const PAGE_SIZE = 3;

const delivery = (id: string, state = STARTED) => create(DeliverySchema, { id, state });
const rows = (...ids: string[]) => ids.map((id) => delivery(id));
const listOf = (deliveries: readonly Delivery[], page = "one"): List => {
  return { page, deliveries, next: `after ${deliveries.at(-1)?.id}` };
};
const list = (...ids: string[]) => listOf(rows(...ids));
const ids = (shown: Shown) => shown.rows.map(({ id }) => id).join(" ");

test("a list that is not held shows the latest deliveries", () => {
  const shown = nextShown(showing(list("c", "b", "a")), list("d", "c", "b"), false);
  expect(ids(shown)).toBe("d c b");
  expect(nextShown(shown, { ...shown.latest }, false)).toBe(shown);
});

test("a held list keeps its rows in their places and updates them", () => {
  const shown = showing(list("c", "b", "a"));
  const next = nextShown(shown, listOf([delivery("d"), delivery("c", SUCCEEDED), delivery("b")]), true);
  expect(ids(next)).toBe("c b a");
  expect(next.rows.map(({ state }) => state)).toEqual([SUCCEEDED, STARTED, STARTED]);
  // A row that the next list has no more stays as it was last.
  expect(nextShown(next, list("g", "f", "e"), true).rows[0]?.state).toBe(SUCCEEDED);
  expect(nextShown(next, { ...next.latest }, true)).toBe(next);
});

test("the page after a held list is the one after its rows", () => {
  const held = nextShown(showing(list("c", "b", "a")), list("f", "e", "d"), true);
  expect(held.next).toBe("after a");
  expect(nextShown(held, held.latest, false).next).toBe("after d");
});

test("after the hold, and on another page, the latest deliveries come at once", () => {
  const held = nextShown(showing(list("b", "a")), list("c", "b", "a"), true);
  expect(ids(nextShown(held, held.latest, false))).toBe("c b a");
  expect(ids(nextShown(held, listOf(rows("z"), "two"), true))).toBe("z");
  expect(ids(nextShown(showing(list()), list("a"), true))).toBe("a");
});

test("a held row that the latest list has no more follows the stream of changes", () => {
  const shown = { ...showing(listOf([delivery("b", PENDING), delivery("a", PENDING)])), latest: list("d") };
  const change = create(DeliveryChangeSchema, {
    deliveryId: "a",
    state: SUCCEEDED,
    attempts: 1,
    lastStatus: 200,
  });
  const [b, a] = withChanges(shown, [change]).rows;
  expect(b).toBe(shown.rows[0]);
  expect(a).toMatchObject({ id: "a", state: SUCCEEDED, attempts: 1, lastStatus: 200 });
});

test("what is new is counted, and not what only moves up into a full page", () => {
  const shown = showing(list("f", "e", "d"));
  const count = (...latest: string[]) => newCount({ ...shown, latest: list(...latest) }, PAGE_SIZE);
  expect(count("f", "e", "d")).toBe("");
  expect(count("h", "g", "f")).toBe("2");
  expect(count("i", "h", "g")).toBe("3+");
  expect(count("f", "d", "c")).toBe("");
  // With a filter by state, a delivery may come in between.
  expect(count("f", "ee", "e")).toBe("1");
  expect(newCount({ ...showing(list("b")), latest: list("b", "a") }, PAGE_SIZE)).toBe("1");
});
