/** Sound to and from our own server: one WebRTC connection, offered by the page. */

import { playout, type Audio, type Counted } from "./audio";

export interface PeerOptions {
  /** Send the offer; the answer comes back through `answered`. */
  onOffer: (sdp: string, cancelsEcho: boolean) => void;
  /** Seconds from the server's sending to this loudspeaker. */
  onPlayout: (seconds: number) => void;
  onLost: () => void;
}

export class Peer {
  private connection: RTCPeerConnection | null = null;
  private reports: ReturnType<typeof setInterval> | undefined;
  private counted: Counted = { delay: 0, emitted: 0 };

  constructor(
    private readonly audio: Audio,
    private readonly options: PeerOptions,
  ) {}

  get connected(): boolean {
    const state = this.connection?.connectionState;
    return state === "connected" || state === "connecting" || state === "new" || state === "disconnected";
  }

  /** Connect anew, with the microphone if there is one. */
  async connect(): Promise<void> {
    this.hangUp();
    const peer = new RTCPeerConnection({ iceServers: [] });
    this.connection = peer;
    const track = this.audio.track;
    if (track) peer.addTransceiver(track, { direction: "sendrecv", streams: [new MediaStream([track])] });
    else peer.addTransceiver("audio", { direction: "recvonly" });
    peer.ontrack = (event) => this.audio.play(event.streams[0] ?? new MediaStream([event.track]));
    peer.onconnectionstatechange = () => {
      if (peer === this.connection && peer.connectionState === "failed") this.options.onLost();
    };
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer);
    if (peer !== this.connection) return;
    this.options.onOffer(peer.localDescription?.sdp ?? "", this.audio.cancelsEcho);
    this.reports = setInterval(() => void this.report(), 1000);
  }

  async answered(sdp: string): Promise<void> {
    const peer = this.connection;
    if (peer?.signalingState === "have-local-offer") await peer.setRemoteDescription({ type: "answer", sdp });
  }

  /** Send another microphone over the same connection. */
  async replaceTrack(): Promise<void> {
    const sender = this.connection?.getSenders().find((each) => each.track?.kind === "audio");
    if (sender && this.audio.track) await sender.replaceTrack(this.audio.track);
  }

  hangUp(): void {
    clearInterval(this.reports);
    if (!this.connection) return;
    this.connection.close();
    this.connection = null;
    this.counted = { delay: 0, emitted: 0 };
    this.audio.play(null);
  }

  private async report(): Promise<void> {
    const peer = this.connection;
    if (peer?.connectionState !== "connected") return;
    const stats = [...(await peer.getStats()).values()] as Record<string, unknown>[];
    const [seconds, counted] = playout(stats, this.counted, this.audio.outputLatency);
    this.counted = counted;
    this.options.onPlayout(seconds);
  }
}

/** Until all addresses are known: we do not trickle. A browser that dawdles is not waited for. */
function gathered(peer: RTCPeerConnection): Promise<void> {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    const done = setTimeout(resolve, 1500);
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState !== "complete") return;
      clearTimeout(done);
      resolve();
    });
  });
}
