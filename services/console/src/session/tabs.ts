import type { HeldSession } from "./stage.ts";

/*
 * The browser's tabs of this origin hand their session to each other through a channel in memory. The token
 * thus reaches no storage that tabs share and no address. Browsers give a page in another site's frame a
 * channel of its own; a frame joins none, so that this holds in all of them.
 */

type Message =
  /** A tab without a session asks for one. */
  | { readonly kind: "ask"; readonly by: string; readonly openedAt: number }
  | { readonly kind: "answer"; readonly to: string; readonly held: HeldSession; readonly usedAt: number }
  | { readonly kind: "signed in"; readonly held: HeldSession }
  | { readonly kind: "signed out"; readonly token: string };

export type Tabs = {
  /**
   * Asks the other tabs for their session. The one that was used last before this one was opened counts: its
   * reader has followed one of its links, or went on to another address.
   */
  ask(openedAt: number): void;
  tellSignedIn(held: HeldSession): void;
  /** Signs out all tabs that hold this token. */
  tellSignedOut(token: string): void;
  leave(): void;
};

/** This tab, as the others see it. */
export type OwnTab = {
  /** Returns the session to hand out; undefined if there is none or it has ended. */
  held(): HeldSession | undefined;
  /** When the reader last used this tab before a time, in epoch milliseconds; 0: not that it knows. */
  usedBefore(at: number): number;
  onAnswer(held: HeldSession): void;
  /** Called after `ASK_MS` without an answer. A later answer is reported, too. */
  onNoAnswer(): void;
  onSignedIn(held: HeldSession): void;
  onSignedOut(token: string): void;
};

/** How long to gather answers: tabs answer within milliseconds, and a new tab shows nothing meanwhile. */
const ASK_MS = 150;

export const NO_TABS: Tabs = { ask() {}, tellSignedIn() {}, tellSignedOut() {}, leave() {} };

/** @param name the channel's name, of which tests have one each */
export function joinTabs(own: OwnTab, name = "posthaste.session"): Tabs {
  const channel = new BroadcastChannel(name);
  const id = crypto.randomUUID();
  const send = (message: Message) => channel.postMessage(message);
  let gathered: { held: HeldSession; usedAt: number }[] | undefined;
  const onAnswer = (held: HeldSession, usedAt: number) => {
    if (gathered === undefined) own.onAnswer(held);
    else gathered.push({ held, usedAt });
  };
  channel.addEventListener("message", ({ data }: MessageEvent<Message>) => {
    const held = own.held();
    if (data.kind === "ask" && held !== undefined)
      send({ kind: "answer", to: data.by, held, usedAt: own.usedBefore(data.openedAt) });
    if (data.kind === "answer" && data.to === id) onAnswer(data.held, data.usedAt);
    if (data.kind === "signed in") own.onSignedIn(data.held);
    if (data.kind === "signed out") own.onSignedOut(data.token);
  });
  return {
    ask(openedAt) {
      gathered = [];
      send({ kind: "ask", by: id, openedAt });
      setTimeout(() => {
        const last = gathered?.sort((one, other) => other.usedAt - one.usedAt)[0];
        gathered = undefined;
        if (last === undefined) own.onNoAnswer();
        else own.onAnswer(last.held);
      }, ASK_MS);
    },
    tellSignedIn: (held) => send({ kind: "signed in", held }),
    tellSignedOut: (token) => send({ kind: "signed out", token }),
    leave: () => channel.close(),
  };
}
