import { chunked, type Oddity, OK, okWith } from "./oddity.ts";

const LENGTH = ["content-length", "2"] as const;
const POLICY = Array.from({ length: 40 }, (_, n) => `https://cdn${n}.example;`);

export const FOLDING: readonly Oddity[] = [
  {
    what: "folds a header line with a blank",
    clause: "RFC 9112 5.2",
    expected: { outcome: "accepted", headers: [["x", "a b"], LENGTH], isReused: true },
    receiver: { answer: okWith("x: a\r\n b") },
  },
  {
    what: "folds a header line with a tab",
    clause: "RFC 9112 5.2",
    expected: { outcome: "accepted", headers: [["x", "a b"], LENGTH], isReused: true },
    receiver: { answer: okWith("x: a\r\n\tb") },
  },
  {
    what: "folds a header line, with blanks before the fold and several after it",
    clause: "RFC 9112 5.2",
    expected: { outcome: "accepted", headers: [["x", "a b"], LENGTH], isReused: true },
    receiver: { answer: okWith("x: a \t\r\n \t b") },
  },
  {
    what: "folds with a line of blanks alone",
    clause: "RFC 9112 5.2",
    expected: { outcome: "accepted", headers: [["x", "a b"], LENGTH], isReused: true },
    receiver: { answer: okWith("x: a\r\n \r\n b") },
  },
  {
    what: "begins a value after a fold",
    clause: "RFC 9112 5.2",
    expected: { outcome: "accepted", headers: [["x", "a"], LENGTH], isReused: true },
    receiver: { answer: okWith("x:\r\n a") },
  },
  {
    what: "ends its headers with a fold that is empty",
    clause: "RFC 9112 5.2",
    expected: { outcome: "accepted", headers: [LENGTH, ["x", "a"]], isReused: true },
    receiver: { answer: "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: a\r\n \r\n\r\nok" },
  },
  {
    what: "sends a content security policy in 41 lines",
    clause: "RFC 9112 5.2",
    expected: {
      outcome: "accepted",
      headers: [["content-security-policy", `default-src ${POLICY.join(" ")}`], LENGTH],
      isReused: true,
    },
    receiver: { answer: okWith(`content-security-policy: default-src\r\n ${POLICY.join("\r\n ")}`) },
  },
  {
    what: "folds a header line that ends with LF alone",
    clause: "RFC 9112 5.2",
    expected: { outcome: "accepted", headers: [["x", "a b"], LENGTH], isReused: true },
    receiver: { answer: okWith("x: a\n b") },
  },
  {
    what: "folds a header of an interim response",
    ...{ clause: "RFC 9112 5.2", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: `HTTP/1.1 103 Early Hints\r\nlink: </a>;\r\n rel=preload\r\n\r\n${OK}` },
  },
  {
    what: "folds a trailer",
    ...{ clause: "RFC 9112 5.2", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: chunked("2\r\nok\r\n0\r\nx: a\r\n b\r\n\r\n") },
  },
  {
    what: "folds `connection: close`",
    ...{ clause: "RFC 9112 9.6", expected: { outcome: "accepted", isReused: false } },
    receiver: { answer: okWith("connection:\r\n close") },
  },
  {
    what: "folds `transfer-encoding: chunked`",
    ...{ clause: "RFC 9112 7.1", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: "HTTP/1.1 200 OK\r\ntransfer-encoding:\r\n chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" },
  },
  {
    what: "folds `transfer-encoding: gzip, chunked`",
    ...{ clause: "RFC 9112 7.1", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: {
      answer: "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip,\r\n chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    },
  },
  {
    what: "folds a length before its number",
    ...{ clause: "RFC 9112 5.2", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: "HTTP/1.1 200 OK\r\ncontent-length:\r\n 2\r\n\r\nok" },
  },
  {
    what: "folds a length within its number",
    ...{ clause: "RFC 9112 6.3 (5)", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n 0\r\n\r\n0123456789" },
  },
  {
    what: "folds one of two different lengths",
    ...{ clause: "RFC 9112 6.3 (5)", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: okWith("content-length:\r\n 5") },
  },
  {
    what: "folds `transfer-encoding: chunked`, and sends a length, too",
    ...{ clause: "RFC 9112 6.1", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: okWith("transfer-encoding:\r\n chunked") },
  },
  {
    what: "folds its status line",
    ...{ clause: "RFC 9112 2.2", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: "HTTP/1.1 200 OK\r\n and more\r\ncontent-length: 2\r\n\r\nok" },
  },
  {
    what: "sends headers of more than 16 KiB in folded lines",
    ...{ clause: "RFC 9110 5.4", isOwnBound: true, expected: { outcome: "invalid_response" } },
    receiver: { answer: okWith(`x: a${"\r\n b".repeat(4_096)}`), isWhole: true },
  },
];
