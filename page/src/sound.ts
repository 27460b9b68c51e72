/** Microphone and loudspeaker over WebRTC, their levels, and how late what is sent becomes audible. */

export type Levels = { you: number; agent: number };

export interface SoundOptions {
  voice: HTMLAudioElement;
  /** Send the offer; the answer comes back through `answered`. */
  onOffer: (sdp: string) => void;
  onLevels: (levels: Levels) => void;
  /** Seconds from the server's sending to this loudspeaker. */
  onPlayout: (seconds: number) => void;
  /** The connection has failed, or the microphone was pulled out. */
  onLost: (what: "connection" | "microphone") => void;
}

/** What getStats told last, for differences. */
export interface Counted {
  delay: number;
  emitted: number;
}

/** The level of samples in -1..1, from 0 (-60 dBFS and less) to 1 (full scale). */
export function loudness(samples: Float32Array): number {
  let sum = 0;
  for (const each of samples) sum += each ** 2;
  const level = Math.sqrt(sum / Math.max(1, samples.length));
  return level <= 0.001 ? 0 : Math.min(1, 1 + Math.log10(level) / 3);
}

/** Seconds on the way: half a round trip, the jitter buffer's wait since last time, and the output device. */
export function playout(stats: Iterable<Record<string, unknown>>, before: Counted, output: number): [number, Counted] {
  let way = 0;
  let wait = 0;
  let counted = before;
  for (const each of stats) {
    if (each.type === "candidate-pair" && each.nominated && typeof each.currentRoundTripTime === "number") {
      way = each.currentRoundTripTime / 2;
    }
    if (each.type === "inbound-rtp" && each.kind === "audio" && typeof each.jitterBufferDelay === "number") {
      counted = { delay: each.jitterBufferDelay, emitted: Number(each.jitterBufferEmittedCount ?? 0) };
      const emitted = counted.emitted - before.emitted;
      wait = emitted > 0 ? (counted.delay - before.delay) / emitted : 0;
    }
  }
  return [way + wait + output, counted];
}

export class Sound {
  private peer: RTCPeerConnection | null = null;
  private microphone: MediaStream | null = null;
  private context: AudioContext | null = null;
  private ears: AnalyserNode | null = null;
  private mouth: AnalyserNode | null = null;
  private reports: ReturnType<typeof setInterval> | undefined;
  private unhush: ReturnType<typeof setTimeout> | undefined;
  private counted: Counted = { delay: 0, emitted: 0 };
  private drawing = 0;
  private muted = false;

  constructor(private readonly options: SoundOptions) {}

  get connected(): boolean {
    const state = this.peer?.connectionState;
    return state === "connected" || state === "connecting" || state === "new" || state === "disconnected";
  }

  get hears(): boolean {
    return this.microphone !== null;
  }

  /** Ask for the microphone. Throws what getUserMedia throws. */
  async listen(device: string): Promise<void> {
    const wanted: MediaTrackConstraints = {
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
      channelCount: 1,
      ...(device ? { deviceId: { exact: device } } : {}),
    };
    if (!navigator.mediaDevices) throw new DOMException("no secure page", "SecurityError");
    const stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
    this.release();
    this.microphone = stream;
    const track = stream.getAudioTracks()[0];
    if (track) {
      track.enabled = !this.muted;
      track.onended = () => this.options.onLost("microphone");
    }
    this.watch();
    const sender = this.peer?.getSenders().find((each) => each.track?.kind === "audio");
    if (sender && track) await sender.replaceTrack(track);
  }

  /** Connect anew, with the microphone if there is one. */
  async connect(): Promise<void> {
    this.hangUp();
    const peer = new RTCPeerConnection({ iceServers: [] });
    this.peer = peer;
    const track = this.microphone?.getAudioTracks()[0];
    if (track && this.microphone) peer.addTransceiver(track, { direction: "sendrecv", streams: [this.microphone] });
    else peer.addTransceiver("audio", { direction: "recvonly" });
    peer.ontrack = (event) => this.hear(event.streams[0] ?? new MediaStream([event.track]));
    peer.onconnectionstatechange = () => {
      if (peer === this.peer && peer.connectionState === "failed") this.options.onLost("connection");
    };
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer);
    if (peer !== this.peer) return;
    this.options.onOffer(peer.localDescription?.sdp ?? "");
    clearInterval(this.reports);
    this.reports = setInterval(() => void this.report(), 1000);
  }

  async answered(sdp: string): Promise<void> {
    if (this.peer?.signalingState === "have-local-offer") await this.peer.setRemoteDescription({ type: "answer", sdp });
  }

  /** Drop what is on its way: the agent was cut off. */
  hush(seconds: number): void {
    this.options.voice.muted = true;
    clearTimeout(this.unhush);
    this.unhush = setTimeout(() => (this.options.voice.muted = false), seconds * 1000);
  }

  mute(on: boolean): void {
    this.muted = on;
    for (const track of this.microphone?.getAudioTracks() ?? []) track.enabled = !on;
  }

  /** Leave: no microphone, no sound. */
  close(): void {
    this.hangUp();
    this.release();
    this.options.onLevels({ you: 0, agent: 0 });
  }

  private hangUp(): void {
    clearInterval(this.reports);
    this.peer?.close();
    this.peer = null;
    this.counted = { delay: 0, emitted: 0 };
    this.mouth = null;
  }

  private release(): void {
    for (const track of this.microphone?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    this.microphone = null;
    this.ears = null;
  }

  private hear(stream: MediaStream): void {
    this.options.voice.srcObject = stream;
    void this.options.voice.play().catch(() => undefined); // refused without a gesture; the next one plays it
    this.mouth = this.analyser(stream);
    this.watch();
  }

  private analyser(stream: MediaStream): AnalyserNode {
    this.context ??= new AudioContext();
    void this.context.resume();
    const analyser = this.context.createAnalyser();
    analyser.fftSize = 1024;
    this.context.createMediaStreamSource(stream).connect(analyser);
    return analyser;
  }

  private watch(): void {
    if (this.microphone && !this.ears) this.ears = this.analyser(this.microphone);
    if (this.drawing) return;
    const samples = new Float32Array(1024);
    const level = (analyser: AnalyserNode | null): number => {
      if (!analyser) return 0;
      analyser.getFloatTimeDomainData(samples);
      return loudness(samples);
    };
    const draw = (): void => {
      this.options.onLevels({ you: this.muted ? 0 : level(this.ears), agent: level(this.mouth) });
      this.drawing = this.ears || this.mouth ? requestAnimationFrame(draw) : 0;
    };
    this.drawing = requestAnimationFrame(draw);
  }

  private async report(): Promise<void> {
    const peer = this.peer;
    if (!peer || peer.connectionState !== "connected") return;
    const stats = [...(await peer.getStats()).values()] as Record<string, unknown>[];
    const output = this.context?.outputLatency || 0.03;
    const [seconds, counted] = playout(stats, this.counted, output);
    this.counted = counted;
    this.options.onPlayout(Math.round(seconds * 1000) / 1000);
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

/** Which of the page's words says why there is no microphone. */
export function whyNot(error: unknown): "denied" | "missing" | "busy" | "unsafe" {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "missing";
  if (name === "NotReadableError" || name === "AbortError") return "busy";
  if (name === "SecurityError") return "unsafe";
  return "denied";
}
