// A real server, a real browser, and a person who types and clicks.

import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const here = path.dirname(fileURLToPath(import.meta.url));
/** The tree that is tested. */
export const root = path.resolve(here, "../../..");

/** The program under test: `POSTIL`, else the debug build. */
export const program = process.env.POSTIL ?? path.join(root, "target/debug/postil");
/** Where pictures are kept. */
export const pictures = path.join(root, "target/browser");
/** Real data, of which some tests need a part. */
export const data = process.env.POSTIL_DATA ?? path.resolve(root, "../shared/data");

function onPath(...names) {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? "").split(path.delimiter)) {
      const file = path.join(folder, name);
      if (fs.existsSync(file)) return file;
    }
  }
  return null;
}

export const browserFile =
  process.env.CHROMIUM ?? onPath("chromium", "chromium-browser", "google-chrome-stable", "google-chrome");

/** Why these tests cannot run here, or false. Said loudly, since a test that is left out looks like one that passed. */
export function missing(...needed) {
  const reasons = [];
  if (!browserFile) reasons.push("no Chromium was found: install it (`apt install chromium`) or name it in CHROMIUM");
  if (!fs.existsSync(program))
    reasons.push(`${program} is missing: build it (\`cargo build -p postil\`) or name it in POSTIL`);
  for (const part of needed)
    if (!fs.existsSync(path.join(data, part)))
      reasons.push(`${path.join(data, part)} is missing: name the folder of the data in POSTIL_DATA`);
  if (reasons.length === 0) return false;
  const words = reasons.join("; ");
  process.stderr.write(`\n*** LEFT OUT: ${words} ***\n\n`);
  return words;
}

/** A folder that goes away with the test. */
export function folder(test) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), "postil-browser-"));
  test.after(() => fs.rmSync(made, { recursive: true, force: true, maxRetries: 5 }));
  return made;
}

export function csv(rows) {
  const columns = Object.keys(rows[0]);
  const cell = (value) => `"${String(value).replaceAll('"', '""')}"`;
  return (
    [columns.join(","), ...rows.map((row) => columns.map((column) => cell(row[column])).join(","))].join("\n") + "\n"
  );
}

export function write(where, name, content) {
  fs.mkdirSync(path.dirname(path.join(where, name)), { recursive: true });
  fs.writeFileSync(path.join(where, name), content);
}

/** Runs the program to its end. */
export async function run(...words) {
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stdout.on("data", (bytes) => (said += bytes));
  child.stderr.on("data", (bytes) => (said += bytes));
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(`postil ${words.join(" ")} ended with ${code}:\n${said}`);
  return said;
}

/** A server that can be killed and started again on the same port. */
export class Server {
  static async start(test, ...words) {
    const server = new Server(words);
    test.after(() => server.kill());
    await server.start();
    return server;
  }

  constructor(words) {
    this.words = words;
    this.port = 0;
  }

  async start() {
    const child = spawn(program, ["review", ...this.words, "--no-open", "--port", String(this.port)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    let said = "";
    const found = new Promise((resolve, reject) => {
      const hear = (bytes) => {
        said += bytes;
        const address = /http:\/\/[^\s]+/.exec(said);
        if (address) resolve(address[0]);
      };
      child.stdout.on("data", hear);
      child.stderr.on("data", (bytes) => (said += bytes));
      child.on("close", (code) => reject(new Error(`the server ended with ${code}:\n${said}`)));
    });
    found.catch(() => {});
    this.page = await found;
    this.port = Number(new URL(this.page).port);
    this.origin = `http://127.0.0.1:${this.port}`;
  }

  /** Ends it as a power cut would. */
  async kill() {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const closed = new Promise((resolve) => child.on("close", resolve));
    child.kill("SIGKILL");
    await closed;
  }

  async ask(method, where, body, headers = {}) {
    const response = await fetch(`${this.origin}${where}`, {
      method,
      headers: { "X-Postil": "1", ...(body ? { "Content-Type": "application/json" } : {}), ...headers },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, text, json: () => JSON.parse(text) };
  }

  /** Everything the local owner has said, oldest first. */
  async history() {
    const entries = [];
    let before = null;
    do {
      const page = (
        await this.ask("GET", `/api/history?limit=500${before === null ? "" : `&before=${before}`}`)
      ).json();
      entries.push(...page.entries);
      before = page.next;
    } while (before !== null);
    return entries.reverse();
  }

  /** The answers that count, by item. */
  async counting() {
    return new Map((await this.history()).filter(({ counts }) => counts).map((entry) => [entry.item, entry]));
  }
}

/** How the browser is started. */
export function browserOptions() {
  return { executablePath: browserFile, args: ["--no-sandbox", "--disable-dev-shm-usage"], headless: true };
}

let shared = null;

/** One browser for a file of tests; each test has its own context. */
export async function open(
  test,
  { origin, hash = "", phone = false, dark = false, size = { width: 1280, height: 800 } } = {},
) {
  shared ??= await chromium.launch(browserOptions());
  const context = await shared.newContext({
    viewport: phone ? { width: 390, height: 844 } : size,
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
    hasTouch: phone,
    isMobile: phone,
    acceptDownloads: true,
  });
  test.after(() => context.close());
  const page = await context.newPage();
  watch(page);
  await page.goto(`${origin}/#${hash}`);
  if (hash === "" || hash.startsWith("work")) await settled(page);
  return page;
}

export async function close() {
  await shared?.close();
  shared = null;
}

/** Keeps what a page must never do: scripts' errors, breaches of its policy, boxes that hostile text opens. */
export function watch(page) {
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(`error: ${error.stack}`));
  page.on("dialog", (dialog) => {
    page.faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss().catch(() => {});
  });
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource|ERR_CONNECTION|net::/.test(message.text()))
      page.faults.push(`console: ${message.text()}`);
  });
}

/** An item, or the news that there is none, is on the screen. */
export async function settled(page) {
  await page.waitForFunction(() => document.querySelector(".work:not(.waiting) .item > :not(.failed)"), null, {
    timeout: 15_000,
  });
}

/** Every answer has reached the server's disk. */
export async function saved(page) {
  await page.waitForFunction(
    () =>
      document.querySelector(".saved")?.dataset.waiting === "0" &&
      document.querySelector(".saved")?.dataset.state === "saved",
    null,
    { timeout: 30_000 },
  );
}

/** The text that is on the screen. */
export async function text(page) {
  return page.evaluate(() => document.querySelector(".item .reader")?.textContent ?? "");
}

/** Presses keys one after the other. */
export async function press(page, ...keys) {
  for (const key of keys) await page.keyboard.press(key);
}

/** Whether the queue has run empty. */
export async function finished(page) {
  return page.evaluate(() => document.querySelector(".item .empty") !== null);
}

/** Does `one()` for every item until none is left. */
export async function each(page, one, most = 1000) {
  for (let done = 0; done < most; done += 1) {
    await settled(page);
    if (await finished(page)) return done;
    await one(done);
  }
  return most;
}

export async function picture(page, name) {
  fs.mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: path.join(pictures, `${name}.png`) });
}

/** Where the stored answers' counted actions stand: their sum over all answers of the local owner. */
export async function actions(server) {
  const live = (await server.ask("GET", "/api/live")).json();
  return live.people.reduce((sum, { answers, actions_per_answer }) => sum + answers * (actions_per_answer ?? 0), 0);
}
