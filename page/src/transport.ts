/** How the page reaches the agent: its own server over a socket and WebRTC, or a LiveKit room. The page does not know which. */

import type { Audio } from "./audio";
import type { FromServer, ToServer } from "./messages";

export type LinkState = "closed" | "connecting" | "open" | "lost";

/** What the page asks of the agent in the course of a conversation. */
export type Asked = Extract<ToServer, { type: "type" | "stop" | "mute" | "quiet" | "end" }>;

export interface Listener {
  onMessage: (message: FromServer) => void;
  onState: (state: LinkState) => void;
  /** It is over for good: one of the closing codes in messages.ts. */
  onEnd: (code: number, why: string) => void;
  /** The sound has failed; the conversation goes on. */
  onSoundLost: () => void;
}

export interface Transport {
  readonly state: LinkState;
  /** What finds the same conversation again from this tab after a reload; null where there is none yet. */
  session: string | null;
  /** Whether sound is connected, or being connected. */
  readonly sounds: boolean;
  /** Connect, if not connected. */
  open(): void;
  close(): void;
  send(asked: Asked): void;
  /** Connect the sound anew, with the microphone if there is one. Rejects with what to tell the user. */
  connectSound(): Promise<void>;
  /** The microphone has been changed or given up: `audio.track` says which. */
  microphoneChanged(): Promise<void>;
  hangUp(): void;
  /** Send for an agent again, where none is; only some can. Rejects with what to tell the user. */
  summon?(): Promise<void>;
}

export type MakeTransport = (audio: Audio, session: string | null, listener: Listener) => Transport;
