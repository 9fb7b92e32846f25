import type { LookupAddress } from "node:dns";
import type { Socket } from "node:net";
import type { TlsOptions } from "node:tls";
import type { Acceptance, EgressRules, Outcome } from "@posthaste/domain";
import type { Certificate, ConnectProxy } from "@posthaste/testkit";
import type { PostResult } from "../../src/egress.ts";

/** Something that receivers do, what comes of it, and the clause that says so. */
export type Oddity = {
  /** What the receiver does, has or sends: a line of the table in `docs/receivers.md`. */
  readonly what: string;
  /** The RFC and its section. */
  readonly clause: `RFC ${number} ${string}`;
  /** The clause lets a client have a bound, and its value is Posthaste's own. */
  readonly isOwnBound?: true;
  readonly expected: Expected;
  /** What else comes of it, for the table. */
  readonly note?: string;
} & Case;

export type Expected = Partial<Seen> & { readonly outcome: Seen["outcome"] };

/** What is compared with what a row expects. */
export type Seen = {
  /** What comes of an attempt, or of a subscription to the URL. */
  readonly outcome: Outcome | "subscribed" | "not subscribed";
  readonly status: number | null;
  readonly detail: string | null;
  readonly body: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly isTruncated: boolean;
  /** The requests that have arrived after one attempt. */
  readonly requests: number;
  /** Whether another attempt uses the same connection. */
  readonly isReused: boolean;
};

/** A row is a receiver that is sent a delivery, a URL that is subscribed, or what a function finds. */
type Case =
  | ({ readonly receiver: ReceiverCase } & Partial<Record<"subscribed" | "find", never>>)
  | ({ readonly subscribed: string } & Partial<Record<"receiver" | "find", never>>)
  | ({ readonly find: (bench: Bench) => Promise<Partial<Seen>> } & Partial<
      Record<"receiver" | "subscribed", never>
    >);

export type ReceiverCase = {
  /** What it sends for each request, or does. */
  readonly answer: string | Answer;
  /** It closes the connection after the answer. Default: it keeps it. */
  readonly closes?: true;
  /** Not tried byte by byte, since then it would do something else, or since it is long. */
  readonly isWhole?: true;
  /** Options of its TLS server. Default: no TLS. */
  readonly tls?: TlsOptions | ((certificate: Certificate) => TlsOptions);
  readonly acceptance?: Acceptance;
  /** Default: `/`. */
  readonly path?: string;
};

/** Answers a request: `nth` is its number at the receiver, `ofConnection` on its connection, from 1. */
export type Answer = (request: {
  readonly socket: Socket;
  readonly text: string;
  readonly nth: number;
  readonly ofConnection: number;
}) => void;

/** What a row's own function has to try things with. All that it starts is stopped after it. */
export type Bench = {
  /** A key and a certificate for {@link HOST}, 127.0.0.1 and `*.wild.example`, which the egress trusts. */
  readonly certificate: Certificate;
  receive(options: Partial<ReceiverCase> & { readonly host?: string; readonly port?: number }): Promise<Site>;
  post(options: PostOptions): Promise<PostResult>;
  proxy(): Promise<ConnectProxy>;
  later(stop: () => unknown): void;
};

export type Site = {
  readonly port: number;
  readonly requests: readonly string[];
  /** For each request, the number of the connection that it came over. */
  readonly connections: readonly number[];
  /** The connections that are open. */
  open(): number;
};

export type PostOptions = {
  readonly url: string;
  readonly addresses?: readonly string[];
  readonly lookup?: (name: string) => Promise<readonly LookupAddress[]>;
  readonly rules?: Partial<EgressRules>;
  readonly proxy?: URL;
  /** The authorities that the egress trusts. Default: the bench's certificate. */
  readonly ca?: string;
  readonly acceptance?: Acceptance;
  readonly timeoutMs?: number;
};

/** The receiver's name. It resolves to 127.0.0.1. */
export const HOST = "receiver.example";
/** A timeout for receivers that never answer. */
export const SHORT_MS = 300;

export type Chapter = { readonly title: string; readonly oddities: readonly Oddity[] };

/** A response as servers must send it. */
export const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/** A response with these header lines and a body of two bytes. */
export function okWith(...lines: readonly string[]): string {
  return ["HTTP/1.1 200 OK", ...lines, "content-length: 2", "", "ok"].join("\r\n");
}

/** A chunked response with this body. */
export function chunked(body: string, ...lines: readonly string[]): string {
  return ["HTTP/1.1 200 OK", ...lines, "transfer-encoding: chunked", "", body].join("\r\n");
}
