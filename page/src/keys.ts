/** The page by keyboard: Escape stops the agent, M mutes, / goes to the text box. */

export interface Keys {
  interrupt: () => void;
  mute: () => void;
  write: () => void;
}

export function bindKeys(keys: Keys): void {
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.isComposing) return;
    const writing = event.target instanceof HTMLInputElement;
    if (event.key === "Escape") keys.interrupt();
    else if (event.ctrlKey || event.metaKey || event.altKey || writing) return;
    else if (event.key === "m" || event.key === "M") keys.mute();
    else if (event.key === "/") {
      event.preventDefault();
      keys.write();
    }
  });
}
