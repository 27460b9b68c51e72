// A real browser, driven by a test: one JSON command a line in, one JSON answer a line out. It decides nothing.
//   node drive.mjs CHROMIUM PROFILE_FOLDER MICROPHONE.wav|denied
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [browser, profile, microphone] = process.argv.slice(2);
const denied = microphone === "denied";
const args = [
  "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--autoplay-policy=user-gesture-required",
];
if (denied) args.push("--use-fake-device-for-media-stream", "--deny-permission-prompts");
else args.push("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", `--use-file-for-fake-audio-capture=${microphone}%noloop`);
const context = await chromium.launchPersistentContext(profile, {
  executablePath: browser, headless: true, args, ignoreDefaultArgs: ["--mute-audio"], viewport: { width: 1000, height: 760 },
});
const page = context.pages()[0] ?? (await context.newPage());
const complaints = [];
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));

// Not waitForFunction: it needs eval, which the page's security policy forbids.
async function wait({ what, seconds }) {
  const until = performance.now() + seconds * 1000;
  while (performance.now() < until) {
    if (await page.evaluate(what).catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not within ${seconds} s`);
}

const commands = {
  goto: ({ url }) => page.goto(url),
  reload: () => page.reload(),
  click: ({ selector }) => page.click(selector),
  press: ({ key }) => page.keyboard.press(key),
  write: ({ selector, text }) => page.fill(selector, text),
  wait,
  tell: ({ what }) => page.evaluate(what),
  size: ({ width, height }) => page.setViewportSize({ width, height }),
  theme: ({ theme }) => page.emulateMedia({ colorScheme: theme }),
  picture: ({ path }) => page.screenshot({ path }),
  complaints: () => complaints,
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  let answer;
  try {
    const value = await commands[command](rest);
    answer = { value: ["tell", "complaints"].includes(command) ? (value ?? null) : null };
  } catch (error) {
    answer = { error: `${command}: ${String(error).split("\n")[0]}` };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await context.close();
