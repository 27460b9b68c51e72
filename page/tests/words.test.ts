import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { LANGUAGES, isWord, preferred, say } from "../src/words";

describe("the page's words", () => {
  it("are all there in every language, with the same places to fill", () => {
    for (const [word, english] of Object.entries(LANGUAGES.en)) {
      const chinese = LANGUAGES.zh[word as keyof typeof LANGUAGES.zh];
      expect(chinese, word).toBeTruthy();
      expect(chinese.match(/\{\d\}/g), word).toEqual(english.match(/\{\d\}/g));
    }
  });
  it("are all there for what index.html asks for", () => {
    const page = readFileSync(`${__dirname}/../index.html`, "utf8");
    const asked = [...page.matchAll(/data-say="([^"]+)"/g)].map((each) => each[1] ?? "");
    expect(asked.length).toBeGreaterThan(15);
    expect(asked.filter((each) => !isWord(each))).toEqual([]);
  });
  it("are filled in, and nothing is left of a place without a word", () => {
    expect(say("en", "latency", "0.42")).toBe("answered in 0.42 s");
    expect(say("en", "note.mode.half")).not.toContain("{");
  });
  it("are in the first language that the browser asks for and we have", () => {
    expect(preferred(["fr-FR", "zh-TW", "en"])).toBe("zh");
    expect(preferred(["fr"])).toBe("en");
  });
});
