/** The transport to our own server: a socket for words, WebRTC for sound. */

import { Link } from "./link";
import type { FromServer } from "./messages";
import { Peer } from "./peer";
import type { Audio } from "./audio";
import type { Asked, LinkState, Listener, Transport } from "./transport";

export class OwnServer implements Transport {
  private readonly link: Link;
  private readonly peer: Peer;

  constructor(audio: Audio, session: string | null, private readonly listener: Listener) {
    this.link = new Link({
      address: new URL("talk", location.href.replace(/^http/, "ws")).href.split("#")[0] ?? "",
      session,
      onMessage: (message) => this.take(message),
      onState: listener.onState,
      onEnd: listener.onEnd,
    });
    this.peer = new Peer(audio, {
      onOffer: (sdp, cancelsEcho) => this.link.send({ type: "offer", sdp, cancels_echo: cancelsEcho }),
      onPlayout: (seconds) => this.link.send({ type: "playout", seconds }),
      onLost: listener.onSoundLost,
    });
  }

  get state(): LinkState {
    return this.link.state;
  }

  get session(): string | null {
    return this.link.session;
  }

  set session(secret: string | null) {
    this.link.session = secret;
  }

  get sounds(): boolean {
    return this.peer.connected;
  }

  open(): void {
    this.link.open();
  }

  close(): void {
    this.link.close();
    this.peer.hangUp();
  }

  send(asked: Asked): void {
    this.link.send(asked);
  }

  connectSound(): Promise<void> {
    return this.peer.connect();
  }

  microphoneChanged(): Promise<void> {
    return this.peer.replaceTrack();
  }

  hangUp(): void {
    this.peer.hangUp();
    this.link.send({ type: "quiet" });
  }

  private take(message: FromServer): void {
    if (message.type === "answer") {
      const refuse = (error: unknown): void => this.listener.onMessage({ type: "refused", text: String(error) });
      void this.peer.answered(message.sdp).catch(refuse);
    } else this.listener.onMessage(message);
  }
}
