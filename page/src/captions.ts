/** What is said in a LiveKit room, as bubbles: from an agent of ours, or from LiveKit's own transcriptions and chat. */

import type { Bubble, FromServer } from "./messages";

/** Attributes of LiveKit's transcription streams. */
export const SEGMENT = "lk.segment_id";
export const FINAL = "lk.transcription_final";

export interface Speaker {
  identity: string;
  name: string;
  agent: boolean;
  me: boolean;
}

export class Captions {
  private readonly ids = new Map<string, number>();
  private readonly texts = new Map<string, string>();
  private last = 0;
  /** The agents that tell us bubbles themselves: of these nothing is shown twice. */
  private readonly ours = new Set<string>();

  constructor(private readonly onMessage: (message: FromServer) => void) {}

  /** Whether this agent tells more than LiveKit has words for. */
  knows(agent: string): boolean {
    return this.ours.has(agent);
  }

  /** This agent is one of ours; `agent` is its alone, and no later one's. */
  meet(agent: string): void {
    this.ours.add(agent);
  }

  /** A message of an agent of ours; `name` finds a person's name. */
  told(agent: string, message: FromServer, name: (identity: string) => string | undefined): void {
    this.meet(agent);
    if (message.type === "bubble") {
      const { name: identity, ...bubble } = message;
      const other = identity === undefined ? undefined : name(identity);
      const who = other === undefined ? {} : { name: other, other: true };
      this.onMessage({ ...bubble, ...who, id: this.id(`${agent} ${message.id}`) });
    } else if (message.type === "gone") this.onMessage({ type: "gone", id: this.id(`${agent} ${message.id}`) });
    else this.onMessage(message);
  }

  /** More of a transcription: `text` is all of this stream so far. */
  heard(attributes: Record<string, string>, stream: string, who: Speaker, text: string, ended: boolean): void {
    if (this.ours.size) return;
    const key = `${who.identity} ${attributes[SEGMENT] ?? stream}`;
    const final = attributes[FINAL] === "true" || (ended && who.agent);
    if (final && !text.trim()) {
      if (this.ids.has(key)) this.onMessage({ type: "gone", id: this.id(key) });
      return;
    }
    if (!text) return;
    const settled = final || who.agent; // a person's words are only guessed until they are final
    if (this.texts.get(key) === `${text}${final}`) return;
    this.texts.set(key, `${text}${final}`);
    this.show(key, who, settled ? text : "", settled ? "" : text, final);
  }

  /** Something that somebody wrote. */
  written(stream: string, who: Speaker, text: string): void {
    if (!this.ours.size && text.trim()) this.show(stream, who, text, "", true, true);
  }

  private show(key: string, who: Speaker, text: string, rest: string, done: boolean, typed = false): void {
    const name = who.agent || who.me ? {} : { name: who.name, other: true };
    const bubble: Bubble = { id: this.id(key), who: who.agent ? "agent" : "user", text, rest, done, typed, kind: "", ...name };
    this.onMessage({ type: "bubble", ...bubble });
  }

  private id(key: string): number {
    const known = this.ids.get(key) ?? ++this.last;
    this.ids.set(key, known);
    return known;
  }
}
