import { INTERIM_RESPONSES_MAX } from "../../src/answer.ts";
import { type Oddity, OK, okWith } from "./oddity.ts";

const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

export const INTERIM: readonly Oddity[] = [
  {
    what: "sends `100 Continue`, for which no request asks",
    ...{ clause: "RFC 9110 15.2.1", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: `${CONTINUE}${OK}` },
  },
  {
    what: "sends `100 Continue`, as its proxy does",
    ...{ clause: "RFC 9110 15.2", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: `${CONTINUE}${CONTINUE}${OK}` },
  },
  {
    what: "sends `100 Continue` only for the second request of a connection",
    ...{ clause: "RFC 9110 15.2", expected: { outcome: "accepted", isReused: true } },
    receiver: {
      answer: ({ socket, ofConnection }) => socket.write(ofConnection === 2 ? `${CONTINUE}${OK}` : OK),
    },
  },
  {
    what: "sends `100 Continue` with a length of 0, or of more",
    ...{ clause: "RFC 9112 6.3 (1)", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: {
      answer: `HTTP/1.1 100 Continue\r\ncontent-length: 0\r\n\r\nHTTP/1.1 100 Continue\r\ncontent-length: 5\r\n\r\n${OK}`,
    },
  },
  {
    what: "sends `100 Continue` with `connection: close`",
    ...{ clause: "RFC 9112 9.6", expected: { outcome: "accepted", body: "ok", isReused: false } },
    receiver: { answer: `HTTP/1.1 100 Continue\r\nconnection: close\r\n\r\n${OK}` },
  },
  {
    what: "sends `103 Early Hints` with `connection: close`",
    ...{ clause: "RFC 9112 9.6", expected: { outcome: "accepted", body: "ok", isReused: false } },
    receiver: { answer: `HTTP/1.1 103 Early Hints\r\nconnection: close\r\n\r\n${OK}` },
  },
  {
    what: "sends `100 Continue` with HTTP/1.0",
    ...{ clause: "RFC 9110 15.2", expected: { outcome: "accepted", body: "ok", isReused: false } },
    receiver: { answer: `HTTP/1.0 100 Continue\r\n\r\n${OK}` },
  },
  {
    what: "sends `102 Processing` three times",
    ...{ clause: "RFC 2518 10.1", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: `${"HTTP/1.1 102 Processing\r\n\r\n".repeat(3)}${OK}` },
  },
  {
    what: "sends `103 Early Hints`, with headers that are not the response's",
    clause: "RFC 8297 2",
    expected: { outcome: "accepted", headers: [["content-length", "2"]], isReused: true },
    receiver: { answer: `HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nretry-after: 9\r\n\r\n${OK}` },
  },
  {
    what: "sends 199, an interim status that nobody knows",
    ...{ clause: "RFC 9110 15.2", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: `HTTP/1.1 199 Soon\r\n\r\n${OK}` },
  },
  {
    what: "switches protocols (101), for which no request asks",
    ...{ clause: "RFC 9110 15.2.2", expected: { outcome: "reset", status: null, requests: 1 } },
    receiver: { answer: "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n" },
  },
  {
    what: "sends 101 without an `upgrade`, and then a response",
    ...{ clause: "RFC 9110 15.2.2", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: `HTTP/1.1 101 Switching\r\n\r\n${OK}` },
  },
  {
    what: "says in its response that it could switch protocols",
    ...{ clause: "RFC 9110 7.8", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: okWith("upgrade: h2c", "connection: upgrade") },
  },
  {
    what: "says in an interim response that it could switch protocols",
    ...{ clause: "RFC 9110 7.8", expected: { outcome: "accepted", body: "ok" } },
    receiver: {
      answer: `HTTP/1.1 103 Early Hints\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n${OK}`,
    },
  },
  {
    what: "closes the connection after `100 Continue`",
    ...{ clause: "RFC 9112 8", expected: { outcome: "reset", status: null, requests: 1 } },
    receiver: { answer: CONTINUE, closes: true },
  },
  {
    what: "sends nothing after `100 Continue`",
    ...{ clause: "RFC 9112 9.5", expected: { outcome: "timeout", status: null } },
    receiver: { answer: CONTINUE },
  },
  {
    what: "sends eight interim responses",
    ...{ clause: "RFC 9110 15.2", expected: { outcome: "accepted", isReused: true } },
    receiver: { answer: `${CONTINUE.repeat(INTERIM_RESPONSES_MAX)}${OK}` },
  },
  {
    what: "sends nine interim responses",
    ...{ clause: "RFC 9110 15.2", isOwnBound: true, expected: { outcome: "invalid_response" } },
    receiver: { answer: `${CONTINUE.repeat(INTERIM_RESPONSES_MAX + 1)}${OK}` },
  },
];
