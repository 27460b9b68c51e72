/** The settings dialog: devices, volume, language, colours. */

import * as kept from "./kept";
import { say } from "./words";

export interface SettingsOptions {
  preferences: kept.Preferences;
  storage: Storage | null;
  onLanguage: () => void;
  onMicrophone: () => void;
  onForget: () => void;
}

const $ = <T extends HTMLElement = HTMLElement>(id: string): T => document.getElementById(id) as T;

export class Settings {
  private readonly microphones = $<HTMLSelectElement>("microphone");
  private readonly loudspeakers = $<HTMLSelectElement>("loudspeaker");

  constructor(private readonly options: SettingsOptions) {
    this.bind();
    this.apply();
  }

  /** Show what a LiveKit room needs beside: one's name, and the link that brings others here. */
  showRoom(address: string | null): void {
    $("name-row").hidden = false;
    $("invite-row").hidden = address === null;
    $<HTMLInputElement>("invite").value = address ?? "";
  }

  /** Have the page in this language. */
  choose(language: kept.Preferences["language"]): void {
    $<HTMLSelectElement>("language").value = language;
    this.options.preferences.language = language;
    this.options.onLanguage();
    this.apply();
  }

  async fillDevices(): Promise<void> {
    const { preferences } = this.options;
    const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    this.fill(this.microphones, devices, "audioinput", preferences.microphone);
    this.fill(this.loudspeakers, devices, "audiooutput", preferences.loudspeaker);
    $("loudspeaker-row").hidden = !("setSinkId" in HTMLMediaElement.prototype);
  }

  private fill(picker: HTMLSelectElement, devices: MediaDeviceInfo[], kind: MediaDeviceKind, chosen: string): void {
    const known = devices.filter((each) => each.kind === kind && each.deviceId && each.deviceId !== "default" && each.label);
    const usual = new Option(say(this.options.preferences.language, "device.default"), "");
    picker.replaceChildren(usual, ...known.map((each) => new Option(each.label, each.deviceId)));
    picker.value = known.some((each) => each.deviceId === chosen) ? chosen : "";
  }

  private apply(): void {
    const { preferences } = this.options;
    const voice = $<HTMLAudioElement>("voice");
    voice.volume = preferences.volume / 100;
    if ("setSinkId" in voice) void voice.setSinkId(preferences.loudspeaker).catch(() => undefined);
    if (preferences.theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = preferences.theme;
    kept.savePreferences(this.options.storage, preferences);
  }

  private bind(): void {
    const { preferences } = this.options;
    const dialog = $<HTMLDialogElement>("settings");
    const change = (happened: () => void): (() => void) => () => {
      happened();
      this.apply();
    };
    const language = $<HTMLSelectElement>("language");
    const theme = $<HTMLSelectElement>("theme");
    const volume = $<HTMLInputElement>("volume");
    const aloud = $<HTMLInputElement>("aloud");
    const name = $<HTMLInputElement>("name");
    language.value = preferences.language;
    theme.value = preferences.theme;
    volume.value = String(preferences.volume);
    aloud.checked = preferences.aloud;
    name.value = preferences.name;
    language.onchange = change(() => {
      preferences.language = language.value === "zh" ? "zh" : "en";
      this.options.onLanguage();
      void this.fillDevices();
    });
    theme.onchange = change(() => {
      preferences.theme = theme.value === "light" || theme.value === "dark" ? theme.value : "auto";
    });
    volume.oninput = change(() => (preferences.volume = Number(volume.value)));
    aloud.onchange = change(() => (preferences.aloud = aloud.checked));
    name.onchange = change(() => (preferences.name = name.value.trim().slice(0, 40)));
    this.microphones.onchange = change(() => {
      preferences.microphone = this.microphones.value;
      this.options.onMicrophone();
    });
    this.loudspeakers.onchange = change(() => (preferences.loudspeaker = this.loudspeakers.value));
    $("copy").onclick = () => {
      const invite = $<HTMLInputElement>("invite");
      invite.select();
      void navigator.clipboard?.writeText(invite.value).catch(() => undefined);
    };
    $("open-settings").onclick = () => {
      void this.fillDevices();
      dialog.showModal();
    };
    $("forget").onclick = () => {
      dialog.close();
      this.options.onForget();
    };
    navigator.mediaDevices?.addEventListener?.("devicechange", () => void this.fillDevices());
  }
}
