import { seenOf } from "./bench.ts";
import { type Answer, HOST, type Oddity, okWith } from "./oddity.ts";

const LABEL = "a".repeat(63);
/** A name of 253 characters, the longest there is. */
const LONGEST = `${LABEL}.${LABEL}.${LABEL}.${"a".repeat(57)}.com`;

/** Answers with the path that it was asked for. */
const namingPath: Answer = ({ socket, text }) => socket.write(okWith(`x-path: ${text.split(" ")[1]}`));
const pathIs = (path: string): Oddity["expected"] => ({
  outcome: "accepted",
  headers: [
    ["x-path", path],
    ["content-length", "2"],
  ],
});

export const NAMES: readonly Oddity[] = [
  {
    what: "has a URL with an empty query, `/a?`",
    ...{ clause: "RFC 3986 3.4", expected: pathIs("/a?"), note: "the `?` is sent" },
    receiver: { answer: namingPath, path: "/a?" },
  },
  {
    what: "has a URL with encoded characters that need not be, `/%7Ea/%2F?x=%20`",
    ...{ clause: "RFC 3986 2.1", expected: pathIs("/%7Ea/%2F?x=%20"), note: "sent as it is" },
    receiver: { answer: namingPath, path: "/%7Ea/%2F?x=%20" },
  },
  {
    what: "has a host with an empty label, `a..b`",
    ...{ clause: "RFC 1123 2.1", expected: { outcome: "not subscribed" } },
    subscribed: "https://a..b/",
  },
  {
    what: "has a host with a label of 63 characters",
    ...{ clause: "RFC 1035 2.3.4", expected: { outcome: "subscribed" } },
    subscribed: `https://${LABEL}.example/`,
  },
  {
    what: "has a host with a label of 64 characters",
    ...{ clause: "RFC 1035 2.3.4", expected: { outcome: "not subscribed" } },
    subscribed: `https://a${LABEL}.example/`,
  },
  {
    what: "has a host of 253 characters",
    ...{ clause: "RFC 1035 2.3.4", expected: { outcome: "subscribed" } },
    subscribed: `https://${LONGEST}/`,
  },
  {
    what: "has a host of 254 characters",
    ...{ clause: "RFC 1035 2.3.4", expected: { outcome: "not subscribed" } },
    subscribed: `https://a${LONGEST}/`,
  },
  {
    what: "has a host with `_`",
    ...{ clause: "RFC 2181 11", expected: { outcome: "subscribed" } },
    subscribed: "https://my_hooks.example/",
  },
  {
    what: "has a host with characters that no host has, `a$b.example`",
    ...{ clause: "RFC 1123 2.1", expected: { outcome: "not subscribed" } },
    subscribed: "https://a$b.example/",
  },
  {
    what: "has a host in other letters, `münchen.example`",
    ...{ clause: "RFC 5891 5.5", expected: { outcome: "subscribed" }, note: "as `xn--mnchen-3ya.example`" },
    subscribed: "https://münchen.example/",
  },
  {
    what: "has a host that ends with a dot",
    ...{ clause: "RFC 1034 3.1", expected: { outcome: "subscribed" } },
    subscribed: "https://yoursite.example./",
  },
  {
    what: "has a URL with credentials",
    ...{ clause: "RFC 9110 4.2.4", expected: { outcome: "not subscribed" } },
    subscribed: "https://user:password@yoursite.example/",
  },
  {
    what: "has a URL with a fragment",
    ...{ clause: "RFC 9110 4.2.5", expected: { outcome: "not subscribed" } },
    subscribed: "https://yoursite.example/#hook",
  },
  {
    what: "has a host under `localhost`, `x.localhost`",
    ...{ clause: "RFC 6761 6.3", expected: { outcome: "not subscribed" } },
    subscribed: "https://x.localhost/",
  },
  {
    what: "has the host `localhost.`, with a dot",
    ...{ clause: "RFC 6761 6.3", expected: { outcome: "not subscribed" } },
    subscribed: "https://localhost./",
  },
  {
    what: "has a name that does not exist",
    ...{ clause: "RFC 1035 4.1.1", expected: { outcome: "dns", detail: "ENOTFOUND" } },
    find: async (bench) => {
      const error = Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
      return seenOf(
        await bench.post({ url: "http://nowhere.example/", lookup: () => Promise.reject(error) }),
      );
    },
  },
  {
    what: "has a name without an address",
    ...{ clause: "RFC 2308 2.2", expected: { outcome: "dns", detail: "ENODATA" } },
    find: async (bench) => seenOf(await bench.post({ url: "http://nowhere.example/", addresses: [] })),
  },
  {
    what: "has a name that ends with a dot, and is sent a delivery",
    ...{ clause: "RFC 9110 7.2", note: "the dot is in `host`" },
    expected: {
      outcome: "accepted",
      headers: [
        ["x-host", `${HOST}.`],
        ["content-length", "2"],
      ],
    },
    find: async (bench) => {
      const answer: Answer = ({ socket, text }) =>
        socket.write(okWith(`x-host: ${/^host: ([^:\r]*)/im.exec(text)?.[1]}`));
      const { port } = await bench.receive({ answer });
      return seenOf(await bench.post({ url: `http://${HOST}.:${port}/` }));
    },
  },
];
