import { beforeEach, describe, expect, it } from "vitest";
import { Chat, spoken } from "../src/chat";
import type { Bubble } from "../src/messages";

const bubble = (more: Partial<Bubble>): Bubble => ({
  id: 1, who: "agent", text: "", rest: "", done: false, typed: false, kind: "", ...more,
});

describe("the conversation", () => {
  let list: HTMLOListElement;
  let chat: Chat;
  beforeEach(() => {
    list = document.createElement("ol");
    chat = new Chat(list, "en");
  });

  it("changes a bubble in place", () => {
    chat.put(bubble({ rest: "how" }));
    chat.put(bubble({ text: "How are you?", done: true }));
    expect(list.children.length).toBe(1);
    expect(list.textContent).toContain("How are you?");
  });
  it("strikes out what was cut off, and says so to a screen reader", () => {
    chat.put(bubble({ text: "The sea", rest: "is wide.", done: true }));
    expect(list.querySelector("del")?.textContent).toBe("is wide.");
    expect(list.textContent).toBe("Agent: The sea  cut off: is wide.");
    expect(spoken(bubble({ text: "The sea", rest: "is wide.", done: true }), "en")).toBe("Agent: The sea (cut off: is wide.)");
  });
  it("does not strike out what is still to come", () => {
    chat.put(bubble({ text: "The sea", rest: "is wide." }));
    expect(list.querySelector("del")).toBeNull();
    expect(list.querySelector(".rest")?.textContent).toBe("is wide.");
  });
  it("puts no space into Chinese", () => {
    chat.put(bubble({ text: "海很大", rest: "也很深。" }));
    expect(list.textContent).toContain("海很大也很深。");
  });
  it("never takes words for markup", () => {
    chat.put(bubble({ text: "<img src=x onerror=alert(1)>", done: true }));
    expect(list.querySelector("img")).toBeNull();
    expect(list.textContent).toContain("<img");
  });
  it("keeps the order of the conversation whatever the order of arrival", () => {
    for (const id of [3, 1, 2]) chat.put(bubble({ id, text: String(id), done: true }));
    expect([...list.querySelectorAll(".said")].map((each) => each.textContent)).toEqual(["1", "2", "3"]);
  });
  it("names a known voice on its own side, and others on the other", () => {
    chat.put(bubble({ id: 1, who: "user", text: "Hi", done: true, name: "Ada" }));
    chat.put(bubble({ id: 2, who: "user", text: "Ho", done: true, name: "Ben", other: true }));
    expect([...list.querySelectorAll(".name")].map((each) => each.textContent)).toEqual(["Ada", "Ben"]);
    expect([...list.querySelectorAll("li")].map((each) => each.classList.contains("other"))).toEqual([false, true]);
  });
  it("forgets what was revoked", () => {
    chat.put(bubble({}));
    chat.drop(1);
    chat.drop(7);
    expect(list.children.length).toBe(0);
  });
  it("puts notes into the page's language, also later", () => {
    chat.put(bubble({ who: "note", kind: "rejected.echo", text: "the sea", done: true }));
    expect(list.textContent).toContain("echo");
    chat.speak("zh");
    expect(list.textContent).toContain("回声");
    chat.put(bubble({ id: 2, who: "note", kind: "new.kind", text: "as it is", done: true }));
    expect(list.textContent).toContain("as it is");
  });
});
