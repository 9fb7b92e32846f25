import type { AccountId, DeliveryId } from "@posthaste/domain";
import { expect, test } from "vitest";
import { createHostPlaces } from "./host-places.ts";

const ONE = 1 as AccountId;
const OTHER = 2 as AccountId;
const URL_1 = "https://receiver.example/1";
const id = (n: number) => `dlv_${n}` as DeliveryId;

test("an account has so many places at a host, whatever the port and the path, and others as many", () => {
  const hosts = createHostPlaces(2);
  hosts.tryToReserve(id(1), ONE, URL_1);
  hosts.begin(id(2), ONE, "http://receiver.example:8080/2");
  expect(hosts.roomOf(ONE, "https://receiver.example./3")).toBe(0);
  expect(hosts.hasRoomFor(id(3), ONE, URL_1)).toBe(false);
  expect(hosts.roomOf(ONE, "https://other.example/")).toBe(2);
  expect(hosts.roomOf(OTHER, URL_1)).toBe(2);
});

test("a place that was reserved is the attempt's, and is free again after it", () => {
  const hosts = createHostPlaces(1);
  hosts.tryToReserve(id(1), ONE, URL_1);
  expect(hosts.hasRoomFor(id(1), ONE, URL_1)).toBe(true);
  hosts.begin(id(1), ONE, URL_1);
  expect(hosts.roomOf(ONE, URL_1)).toBe(0);
  hosts.end(id(1));
  hosts.end(id(1));
  expect(hosts.roomOf(ONE, URL_1)).toBe(1);
});

test("more attempts than places have begun, if they were admitted elsewhere, and the room is never negative", () => {
  const hosts = createHostPlaces(1);
  for (const n of [1, 2, 3]) hosts.begin(id(n), ONE, URL_1);
  expect(hosts.roomOf(ONE, URL_1)).toBe(0);
  hosts.end(id(1));
  expect(hosts.roomOf(ONE, URL_1)).toBe(0);
});

test("those that wait for a host are told to come one after another", () => {
  const hosts = createHostPlaces(1);
  hosts.begin(id(1), ONE, URL_1);
  const now = 1_000_000;
  const first = hosts.nextRoomAt(ONE, URL_1, now);
  expect(first).toBeGreaterThanOrEqual(now + 5_000);
  expect(hosts.nextRoomAt(ONE, URL_1, now)).toBeGreaterThan(first);
  expect(hosts.nextRoomAt(ONE, "https://other.example/", now)).toBeLessThanOrEqual(first);
});
