/** What the server says and what we say: the mirror of serve/messages.py and serve/session.py. */

export interface Bubble {
  id: number;
  who: "user" | "agent" | "note";
  text: string;
  rest: string;
  done: boolean;
  typed: boolean;
  kind: string;
  /** Who said it, where that is known: a known voice, or one of several people. */
  name?: string;
  /** Somebody else than whoever sits at this page. */
  other?: boolean;
}

/** Where an answer's seconds went: until the turn counted as ended, from there to the first sound, to the loudspeaker. */
export interface Parts {
  turn: number;
  reply: number;
  way: number;
}

export type Floor = "listening" | "hearing" | "paused" | "guessing" | "thinking" | "speaking" | "ducked" | "closed";

export type FromServer =
  | { type: "session"; id: string; resumed: boolean; recorded: boolean; room?: string }
  | { type: "loading"; what: string }
  | { type: "ready" }
  | { type: "trouble"; text: string }
  | { type: "refused"; text: string }
  | { type: "answer"; sdp: string }
  | ({ type: "bubble" } & Bubble)
  | { type: "gone"; id: number }
  | { type: "floor"; state: Floor; duplex: string }
  | { type: "latency"; seconds: number; parts?: Parts }
  | { type: "hush"; seconds: number }
  | { type: "ended" }
  /** In a LiveKit room: who else is there; that no agent comes; that it came only to say that there is no room. */
  | { type: "people"; people: { name: string; speaking: boolean }[] }
  | { type: "alone" }
  | { type: "full" }
  | { type: "beat" };

export type ToServer =
  | { type: "hello"; session: string | null }
  | { type: "offer"; sdp: string; cancels_echo: boolean }
  | { type: "type"; text: string }
  | { type: "stop" }
  | { type: "quiet" }
  | { type: "mute"; on: boolean }
  | { type: "playout"; seconds: number }
  | { type: "end" };

/** Closing codes of the server's own. */
export const REPLACED = 4001;
export const OVER = 4002;
export const FULL = 4003;
export const WRONG = 4004;
