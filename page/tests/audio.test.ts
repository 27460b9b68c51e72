import { describe, expect, it } from "vitest";
import { loudness, playout, whyNot } from "../src/audio";

describe("sound", () => {
  it("measures silence as nothing, full scale as all, and 20 dB as a third", () => {
    const square = (height: number): Float32Array => Float32Array.from({ length: 512 }, (_, k) => (k % 2 ? height : -height));
    expect(loudness(square(0))).toBe(0);
    expect(loudness(square(0.0005))).toBe(0);
    expect(loudness(square(1))).toBe(1);
    expect(loudness(square(1)) - loudness(square(0.1))).toBeCloseTo(1 / 3, 5);
  });
  it("adds up the way: half the round trip, the buffer since last time, the device", () => {
    const stats = [
      { type: "candidate-pair", nominated: false, currentRoundTripTime: 9 },
      { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.04 },
      { type: "inbound-rtp", kind: "audio", jitterBufferDelay: 16, jitterBufferEmittedCount: 300 },
      { type: "inbound-rtp", kind: "video", jitterBufferDelay: 99, jitterBufferEmittedCount: 1 },
    ];
    const [seconds, counted] = playout(stats, { delay: 10, emitted: 200 }, 0.03);
    expect(seconds).toBeCloseTo(0.02 + 0.06 + 0.03, 6);
    expect(playout(stats, counted, 0.03)[0]).toBeCloseTo(0.05, 6);
  });
  it("says why there is no microphone", () => {
    expect(whyNot(new DOMException("", "NotAllowedError"))).toBe("denied");
    expect(whyNot(new DOMException("", "NotFoundError"))).toBe("missing");
    expect(whyNot(new DOMException("", "NotReadableError"))).toBe("busy");
    expect(whyNot(new DOMException("", "SecurityError"))).toBe("unsafe");
    expect(whyNot(new Error("?"))).toBe("denied");
  });
});
