/** Microphone and loudspeaker, and how loud they are; who connects them to the agent is a transport's business. */

export type Levels = { you: number; agent: number };

export interface AudioOptions {
  voice: HTMLAudioElement;
  onLevels: (levels: Levels) => void;
  /** The microphone was pulled out. */
  onMicrophoneLost: () => void;
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
  return [Math.round((way + wait + output) * 1000) / 1000, counted];
}

export class Audio {
  private microphone: MediaStream | null = null;
  private context: AudioContext | null = null;
  private ears: AnalyserNode | null = null;
  private mouth: AnalyserNode | null = null;
  private unhush: ReturnType<typeof setTimeout> | undefined;
  private drawing = 0;
  private muted = false;

  constructor(private readonly options: AudioOptions) {}

  /** The microphone's track, if the user has given one. */
  get track(): MediaStreamTrack | null {
    return this.microphone?.getAudioTracks()[0] ?? null;
  }

  /** Whether the browser takes the echo out of it. */
  get cancelsEcho(): boolean {
    const how = this.track?.getSettings().echoCancellation as boolean | string | undefined;
    return how !== undefined && how !== false;
  }

  /** Seconds from the page's sound to the loudspeaker. */
  get outputLatency(): number {
    return this.context?.outputLatency || 0.03;
  }

  /** Ask for the microphone. Rejects with what getUserMedia says. */
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
    if (this.track) {
      this.track.enabled = !this.muted;
      this.track.onended = this.options.onMicrophoneLost;
    }
    this.ears = this.analyser(stream);
    this.watch();
  }

  /** Play this from now on; the agent's level is that of `agent`. */
  play(stream: MediaStream | null, agent = stream): void {
    this.options.voice.srcObject = stream;
    this.mouth = agent ? this.analyser(agent) : null;
    if (!stream) return;
    void this.options.voice.play().catch(() => undefined); // refused without a gesture; the next one plays it
    this.watch();
  }

  /** Drop what is on its way: the agent was cut off. */
  hush(seconds: number): void {
    this.options.voice.muted = true;
    clearTimeout(this.unhush);
    this.unhush = setTimeout(() => (this.options.voice.muted = false), seconds * 1000);
  }

  mute(on: boolean): void {
    this.muted = on;
    if (this.track) this.track.enabled = !on;
  }

  /** Give the microphone back. */
  release(): void {
    for (const track of this.microphone?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    this.microphone = null;
    this.ears = null;
    this.options.onLevels({ you: 0, agent: 0 });
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
}

/** Which of the page's words says why there is no microphone. */
export function whyNot(error: unknown): "denied" | "missing" | "busy" | "unsafe" {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "missing";
  if (name === "NotReadableError" || name === "AbortError") return "busy";
  if (name === "SecurityError") return "unsafe";
  return "denied";
}
