import { beforeEach, describe, expect, it } from "vitest";
import * as kept from "../src/kept";

describe("what the browser remembers", () => {
  beforeEach(() => localStorage.clear());
  it("comes back", () => {
    const mine = { ...kept.defaults(["en"]), theme: "dark" as const, volume: 40 };
    kept.savePreferences(localStorage, mine);
    expect(kept.loadPreferences(localStorage, ["zh"])).toEqual(mine);
    kept.saveConversation(localStorage, { session: "s", talking: true });
    expect(kept.loadConversation(localStorage)).toEqual({ session: "s", talking: true });
    kept.saveConversation(localStorage, null);
    expect(kept.loadConversation(localStorage)).toBeNull();
  });
  it("is checked: storage is anybody's to edit", () => {
    localStorage.setItem("echoless.preferences", '{"volume":1e9,"theme":"<b>","language":"xx","microphone":5,"aloud":"no"}');
    expect(kept.loadPreferences(localStorage, ["en"])).toEqual(kept.defaults(["en"]));
    for (const broken of ["{", "null", "[]", '"x"']) {
      localStorage.setItem("echoless.preferences", broken);
      localStorage.setItem("echoless.conversation", broken);
      expect(kept.loadPreferences(localStorage, ["en"])).toEqual(kept.defaults(["en"]));
      expect(kept.loadConversation(localStorage)).toBeNull();
    }
  });
  it("is nothing where storage is forbidden, and that is no trouble", () => {
    kept.savePreferences(null, kept.defaults(["en"]));
    expect(kept.loadConversation(null)).toBeNull();
  });
});
