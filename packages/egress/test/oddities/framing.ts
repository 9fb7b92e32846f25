import { RESPONSE_BODY_BYTES_MAX } from "../../src/answer.ts";
import { RESPONSE_HEADERS_MAX } from "../../src/connection.ts";
import { chunked, type Oddity, OK, okWith } from "./oddity.ts";

const TWO_CHUNKS = "1\r\no\r\n1\r\nk\r\n0\r\n\r\n";
/** Each has a length that is no length. */
const NO_LENGTHS = ["+2", "-2", "0x2", "2.0", "", "2;", "2 2"];

export const FRAMING: readonly Oddity[] = [
  {
    what: "sends a length",
    ...{ clause: "RFC 9112 6.2", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: OK },
  },
  {
    what: "sends chunks",
    ...{ clause: "RFC 9112 7.1", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: chunked(TWO_CHUNKS) },
  },
  {
    what: "sends neither, and closes",
    ...{ clause: "RFC 9112 6.3 (8)", expected: { outcome: "accepted", body: "ok", isReused: false } },
    receiver: { answer: "HTTP/1.1 200 OK\r\n\r\nok", closes: true },
  },
  {
    what: "answers with HTTP/1.0, and closes",
    ...{ clause: "RFC 9112 9.3", expected: { outcome: "accepted", body: "ok", isReused: false } },
    receiver: { answer: "HTTP/1.0 200 OK\r\n\r\nok", closes: true },
  },
  {
    what: "answers with HTTP/1.0 and a length",
    ...{ clause: "RFC 9112 9.3", expected: { outcome: "accepted", body: "ok", isReused: false } },
    receiver: { answer: "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok" },
  },
  {
    what: "answers with HTTP/1.0, a length and `connection: keep-alive`",
    ...{ clause: "RFC 9112 9.3", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok" },
  },
  {
    what: "answers with HTTP/1.2, a minor version that does not exist",
    ...{ clause: "RFC 9110 2.5", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: OK.replace("1.1", "1.2") },
  },
  {
    what: "sends a transfer coding without chunks, and closes",
    ...{ clause: "RFC 9112 6.3 (4)", expected: { outcome: "accepted", body: "ok", isReused: false } },
    receiver: { answer: "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nok", closes: true },
  },
  {
    what: "sends chunks and a length",
    ...{ clause: "RFC 9112 6.1", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: chunked(TWO_CHUNKS, "content-length: 2") },
  },
  {
    what: "sends a length and then chunks",
    ...{ clause: "RFC 9112 6.1", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: okWith("transfer-encoding: chunked") },
  },
  {
    what: "sends two different lengths",
    ...{ clause: "RFC 9112 6.3 (5)", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: okWith("content-length: 3") },
  },
  {
    what: "sends the same length twice",
    ...{ clause: "RFC 9110 8.6", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: okWith("content-length: 2") },
  },
  {
    what: "sends a list of lengths",
    ...{ clause: "RFC 9110 8.6", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: OK.replace(": 2", ": 2, 2") },
  },
  ...NO_LENGTHS.map(
    (length): Oddity => ({
      what: length === "" ? "sends an empty length" : `sends \`content-length: ${length}\``,
      ...{ clause: "RFC 9112 6.3 (5)", expected: { outcome: "invalid_response", status: null } },
      receiver: { answer: OK.replace(": 2", `: ${length}`) },
    }),
  ),
  {
    what: "closes before the length is reached",
    ...{ clause: "RFC 9112 8", expected: { outcome: "reset", status: null, requests: 1 } },
    receiver: { answer: OK.replace(": 2", ": 9"), closes: true },
  },
  {
    what: "closes before the length is reached, and has said `connection: close`",
    ...{ clause: "RFC 9112 8", expected: { outcome: "reset", status: null, requests: 1 } },
    receiver: { answer: okWith("connection: close").replace(": 2", ": 9"), closes: true },
  },
  {
    what: "closes before the last chunk",
    ...{ clause: "RFC 9112 8", expected: { outcome: "reset", status: null, requests: 1 } },
    receiver: { answer: chunked("2\r\nok\r\n"), closes: true },
  },
  {
    what: "closes before the last chunk, and has said `connection: close`",
    ...{ clause: "RFC 9112 8", expected: { outcome: "reset", status: null, requests: 1 } },
    receiver: { answer: chunked("2\r\nok\r\n", "connection: close"), closes: true },
  },
  {
    what: "closes within its headers",
    ...{ clause: "RFC 9112 8", expected: { outcome: "reset", status: null, requests: 1 } },
    receiver: { answer: "HTTP/1.1 200 OK\r\ncontent-le", closes: true },
  },
  {
    what: "sends a chunk size that is no number",
    ...{ clause: "RFC 9112 7.1", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: chunked("two\r\nok\r\n0\r\n\r\n") },
  },
  {
    what: "sends a chunk size of 17 digits",
    ...{ clause: "RFC 9112 7.1", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: chunked("11111111111111111\r\nok\r\n0\r\n\r\n") },
  },
  {
    what: "sends chunk extensions",
    ...{ clause: "RFC 9112 7.1.1", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: chunked('2;a=b;c="d"\r\nok\r\n0;e\r\n\r\n') },
  },
  {
    what: "sends trailers",
    ...{ clause: "RFC 9112 7.1.2", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: chunked("2\r\nok\r\n0\r\nx-checksum: 1\r\n\r\n") },
  },
  {
    what: "ends chunk lines with LF alone",
    ...{ clause: "RFC 9112 7.1", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: chunked("2\nok\n0\n\n") },
  },
  {
    what: "ends the lines of its head with LF alone",
    ...{ clause: "RFC 9112 2.2", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: OK.replaceAll("\r", "") },
  },
  {
    what: "sends empty lines before the status line",
    ...{ clause: "RFC 9112 2.2", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: `\r\n\r\n${OK}` },
  },
  {
    what: "sends a blank before the first header",
    ...{ clause: "RFC 9112 2.2", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: okWith(" x: a") },
  },
  {
    what: "sends CR without LF after a header's colon",
    ...{ clause: "RFC 9112 2.2", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: okWith("x:\rcontent-length: 0") },
  },
  {
    what: "sends a blank before a colon",
    clause: "RFC 9112 5.1",
    expected: {
      outcome: "accepted",
      headers: [
        ["x", "a"],
        ["content-length", "2"],
      ],
      isReused: true,
    },
    receiver: { answer: okWith("x : a").replace("length:", "length :") },
  },
  {
    what: "sends blanks after a value, also after the length",
    clause: "RFC 9110 5.5",
    expected: {
      outcome: "accepted",
      headers: [
        ["x", "a"],
        ["content-length", "2"],
      ],
      isReused: true,
    },
    receiver: { answer: okWith("x: a \t").replace(": 2", ": 2  ") },
  },
  {
    what: "sends a header line without a colon",
    ...{ clause: "RFC 9112 5", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: okWith("x") },
  },
  {
    what: "sends a header name with a parenthesis",
    ...{ clause: "RFC 9110 5.1", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: okWith("x(y): a") },
  },
  {
    what: "sends NUL in a value",
    ...{ clause: "RFC 9110 5.5", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: okWith("x: a\0b") },
  },
  {
    what: "sends a value that is not in ASCII",
    clause: "RFC 9110 5.5",
    note: "every byte is kept",
    expected: {
      outcome: "accepted",
      headers: [
        ["x", "d\xe9\xff"],
        ["content-length", "2"],
      ],
    },
    receiver: { answer: okWith("x: d\xe9\xff") },
  },
  {
    what: "sends an empty value",
    clause: "RFC 9110 5.5",
    expected: {
      outcome: "accepted",
      headers: [
        ["x", ""],
        ["content-length", "2"],
      ],
      isReused: true,
    },
    receiver: { answer: okWith("x:") },
  },
  {
    what: "sends two `set-cookie`",
    clause: "RFC 9110 5.3",
    note: "both are logged",
    expected: {
      outcome: "accepted",
      headers: [
        ["set-cookie", "a=1"],
        ["set-cookie", "b=2"],
        ["content-length", "2"],
      ],
    },
    receiver: { answer: okWith("Set-Cookie: a=1", "Set-Cookie: b=2") },
  },
  {
    what: "sends a status line without a reason, or even its blank",
    ...{ clause: "RFC 9112 4", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: OK.replace(" OK", "") },
  },
  {
    what: "sends a reason that is not in ASCII",
    ...{ clause: "RFC 9112 4", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: OK.replace("OK", "d\xe9j\xe0 vu") },
  },
  {
    what: "sends an SSH banner",
    ...{ clause: "RFC 9112 4", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: "SSH-2.0-OpenSSH_9.6\r\n" },
  },
  {
    what: "answers 299, if any 2xx counts",
    ...{ clause: "RFC 9110 15", expected: { outcome: "accepted", status: 299, isReused: true } },
    receiver: { answer: OK.replace("200", "299"), acceptance: "ANY_2XX" },
  },
  {
    what: "answers 999",
    ...{ clause: "RFC 9110 15", expected: { outcome: "status", status: 999, isReused: true } },
    receiver: { answer: OK.replace("200", "999") },
  },
  {
    what: "sends 204 with a length and a body, if any 2xx counts",
    clause: "RFC 9112 6.3 (1)",
    expected: { outcome: "accepted", status: 204, body: "", isReused: false },
    receiver: { answer: OK.replace("200 OK", "204 No Content"), acceptance: "ANY_2XX" },
  },
  {
    what: "sends 205 with a body, if any 2xx counts",
    ...{ clause: "RFC 9110 15.3.6", expected: { outcome: "accepted", status: 205, body: "ok" } },
    receiver: { answer: OK.replace("200 OK", "205 Reset Content"), acceptance: "ANY_2XX" },
  },
  {
    what: "answers 304",
    ...{ clause: "RFC 9110 15.4.5", expected: { outcome: "redirect", status: 304, isReused: true } },
    receiver: { answer: "HTTP/1.1 304 Not Modified\r\n\r\n" },
  },
  {
    what: "redirects elsewhere (302, 307)",
    note: "not followed",
    ...{ clause: "RFC 9110 15.4", expected: { outcome: "redirect", status: 307, requests: 1 } },
    receiver: { answer: okWith("location: http://127.0.0.1:1/").replace("200 OK", "307 Elsewhere") },
  },
  {
    what: "answers 410",
    note: "ends the subscription",
    ...{ clause: "RFC 9110 15.5.11", expected: { outcome: "gone", status: 410, isReused: true } },
    receiver: { answer: OK.replace("200 OK", "410 Gone") },
  },
  {
    what: "says that its body is compressed, and it is not",
    note: "nothing is decompressed",
    ...{ clause: "RFC 9110 8.4", expected: { outcome: "accepted", body: "ok", isReused: true } },
    receiver: { answer: okWith("content-encoding: gzip") },
  },
  {
    what: "sends headers of more than 16 KiB",
    ...{ clause: "RFC 9110 5.4", isOwnBound: true, expected: { outcome: "invalid_response" } },
    receiver: { answer: okWith(`x: ${"a".repeat(16_384)}`), isWhole: true },
  },
  {
    what: "sends 201 headers",
    ...{ clause: "RFC 9110 5.4", isOwnBound: true, expected: { outcome: "invalid_response" } },
    receiver: { answer: okWith(...Array<string>(RESPONSE_HEADERS_MAX).fill("x:")) },
  },
  {
    what: "sends a body of 1 MiB",
    ...{ clause: "RFC 9110 17.5", isOwnBound: true, note: "the first 16 KiB are kept" },
    expected: {
      ...{ outcome: "accepted", body: "x".repeat(RESPONSE_BODY_BYTES_MAX) },
      ...{ isTruncated: true, isReused: false },
    },
    receiver: {
      answer: `HTTP/1.1 200 OK\r\ncontent-length: 1048576\r\n\r\n${"x".repeat(1_048_576)}`,
      isWhole: true,
    },
  },
  {
    what: "sends a second response behind the first",
    ...{ clause: "RFC 9112 9.2", expected: { outcome: "accepted", body: "ok", isReused: false } },
    receiver: { answer: `${OK}${OK.replace("ok", "no")}`, isWhole: true },
  },
];
