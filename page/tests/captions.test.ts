import { beforeEach, describe, expect, it } from "vitest";
import { Captions, FINAL, SEGMENT, type Speaker } from "../src/captions";
import type { Bubble, FromServer } from "../src/messages";

const me: Speaker = { identity: "person-1", name: "", agent: false, me: true };
const ada: Speaker = { identity: "person-2", name: "Ada", agent: false, me: false };
const agent: Speaker = { identity: "agent", name: "agent", agent: true, me: false };
const part = (segment: string, final: boolean): Record<string, string> => ({ [SEGMENT]: segment, [FINAL]: String(final) });

describe("captions of a room", () => {
  let got: FromServer[];
  let captions: Captions;
  beforeEach(() => {
    got = [];
    captions = new Captions((message) => got.push(message));
  });
  const bubbles = (): Bubble[] => {
    const last = new Map<number, Bubble>();
    for (const each of got) {
      if (each.type === "bubble") last.set(each.id, each);
      if (each.type === "gone") last.delete(each.id);
    }
    return [...last.values()];
  };
  const short = (): [string, string, string, boolean][] => bubbles().map((each) => [each.who, each.text, each.rest, each.done]);

  it("a person's words are guesses until they are final; each stream replaces the one before", () => {
    captions.heard(part("U1", false), "s1", me, "what is", true);
    expect(short()).toEqual([["user", "", "what is", false]]);
    captions.heard(part("U1", true), "s2", me, "What is this?", true);
    expect(short()).toEqual([["user", "What is this?", "", true]]);
  });
  it("an agent's words grow in one stream, or come in many of one segment", () => {
    captions.heard(part("A1", false), "s1", agent, "This", false);
    captions.heard(part("A1", false), "s1", agent, "This is", false);
    captions.heard(part("A1", false), "s1", agent, "This is", true);
    expect(short()).toEqual([["agent", "This is", "", true]]);
    captions.heard(part("A2", true), "s2", agent, "And that.", true);
    expect(short().length).toBe(2);
  });
  it("a turn that is withdrawn goes", () => {
    captions.heard(part("U1", false), "s1", me, "hm", true);
    captions.heard(part("U1", true), "s2", me, "", true);
    expect(bubbles()).toEqual([]);
  });
  it("says who of several people spoke or wrote, but not of oneself", () => {
    captions.heard(part("U1", true), "s1", ada, "Hello.", true);
    captions.heard(part("U1", true), "s2", me, "Hi.", true);
    captions.written("c1", ada, "Look here.");
    expect(bubbles().map((each) => [each.name, each.text, each.typed])).toEqual([
      ["Ada", "Hello.", false], [undefined, "Hi.", false], ["Ada", "Look here.", true],
    ]);
  });
  it("an agent of ours tells bubbles itself, and nothing is shown twice", () => {
    const bubble: Bubble = { id: 1, who: "user", text: "Hi", rest: "", done: true, typed: true, kind: "", name: "person-2" };
    captions.told("PA_1", { type: "bubble", ...bubble }, (identity) => (identity === "person-2" ? "Ada" : undefined));
    captions.written("c1", ada, "Hi");
    captions.heard(part("U1", true), "s1", ada, "Hi", true);
    expect(bubbles().map((each) => [each.text, each.name, each.other])).toEqual([["Hi", "Ada", true]]);
    captions.told("PA_1", { type: "bubble", ...bubble, name: "person-1" }, () => undefined);
    expect(bubbles().map((each) => [each.text, each.name, each.other])).toEqual([["Hi", undefined, undefined]]);
    expect(captions.knows("PA_1")).toBe(true);
  });
  it("a later agent counts anew without writing over what the first one said", () => {
    const bubble = (text: string): FromServer => ({ type: "bubble", id: 1, who: "agent", text, rest: "", done: true, typed: false, kind: "" });
    captions.told("PA_1", bubble("first"), () => undefined);
    captions.told("PA_2", bubble("second"), () => undefined);
    captions.told("PA_2", { type: "gone", id: 1 }, () => undefined);
    expect(bubbles().map((each) => each.text)).toEqual(["first"]);
  });
  it("passes on what else an agent of ours says", () => {
    captions.told("PA_1", { type: "latency", seconds: 0.5 }, () => undefined);
    expect(got).toEqual([{ type: "latency", seconds: 0.5 }]);
  });
});
