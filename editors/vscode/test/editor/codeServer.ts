/** A separate, real VS Code for a test: program, extensions, settings and folder. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const HOME = required("CG2LS_VSCODE");
const VSIX = required("CG2LS_VSIX");
const ENTRY = join(HOME, "node_modules", "code-server", "out", "node", "entry.js");

const QUIET = {
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
  "telemetry.telemetryLevel": "off",
  "files.autoSave": "off",
  "git.enabled": false,
  "editor.wordBasedSuggestions": "off",
  "chat.commandCenter.enabled": false,
  "window.commandCenter": false,
  "extensions.autoCheckUpdates": false,
  "extensions.autoUpdate": false,
  "extensions.ignoreRecommendations": true,
  "security.workspace.trust.startupPrompt": "never",
};

export interface CodeServerOptions {
  readonly withExtension?: boolean;
  /** A folder in which the extension is installed already. */
  readonly extensions?: string;
  /** The environments of a VS Code in which the extension has installed its server already. */
  readonly environments?: string;
  readonly trusted?: boolean;
  readonly settings?: Record<string, unknown>;
  readonly env?: Record<string, string>;
}

export class CodeServer {
  readonly home = mkdtempSync(join(tmpdir(), "cg2ls-vscode-"));
  readonly folder = join(this.home, "workspace");
  private child: ChildProcess | undefined;
  private port = 0;

  private constructor(private readonly options: CodeServerOptions) {}

  static async start(options: CodeServerOptions = {}): Promise<CodeServer> {
    const server = new CodeServer(options);
    mkdirSync(join(server.home, "data", "User"), { recursive: true });
    mkdirSync(server.folder);
    mkdirSync(join(server.folder, ".vscode"));
    const user = { ...QUIET, ...options.settings };
    writeFileSync(join(server.home, "data", "User", "settings.json"), JSON.stringify(user, null, 2));
    if (options.environments) {
      mkdirSync(dirname(server.environments), { recursive: true });
      symlinkSync(options.environments, server.environments);
    }
    if (!options.extensions && (options.withExtension ?? true)) {
      execFileSync(process.execPath, [ENTRY, ...server.places(), "--install-extension", VSIX]);
    }
    await server.listen();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/?folder=${encodeURIComponent(this.folder)}`;
  }

  /** Where extensions are installed. */
  get extensions(): string {
    return this.options.extensions ?? join(this.home, "extensions");
  }

  /** Where the extension keeps its environments. */
  get environments(): string {
    return join(this.home, "data", "User", "globalStorage", "cg2ls.cg2ls", "server");
  }

  /** Writes the folder's settings; VS Code sees the change by itself. */
  settings(settings: Record<string, unknown>): void {
    writeFileSync(join(this.folder, ".vscode", "settings.json"), JSON.stringify(settings, null, 2));
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  read(name: string): string {
    return readFileSync(join(this.folder, name), "utf8");
  }

  /** The environment of programs that this VS Code starts, with separate models and choices. */
  get environment(): NodeJS.ProcessEnv {
    const { NODE_OPTIONS: _, ...env } = process.env;
    const own = { CG2LS_HOME: join(this.home, "cg2ls") };
    return { ...env, ...own, ...this.options.env };
  }

  /** Ids of the running language servers this VS Code started. */
  languageServers(): number[] {
    const found = execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" });
    const ours = found.split("\n").filter((line) => line.includes("cg2ls serve --stdio"));
    return ours.filter((line) => line.includes(this.home)).map((line) => Number.parseInt(line, 10));
  }

  async stop(): Promise<void> {
    const child = this.child;
    if (child?.pid && child.exitCode === null) {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      process.kill(-child.pid, "SIGTERM");
      await Promise.race([gone, sleep(5_000)]);
      try {
        process.kill(-child.pid, "SIGKILL"); // what it started and did not end
      } catch {
        // nothing is left
      }
    }
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  private places(): string[] {
    return ["--extensions-dir", this.extensions, "--user-data-dir", join(this.home, "data")];
  }

  private async listen(): Promise<void> {
    this.port = await freePort();
    const args = [ENTRY, ...this.places(), "--auth", "none", "--bind-addr", `127.0.0.1:${this.port}`];
    const quiet = ["--disable-telemetry", "--disable-update-check", "--disable-getting-started-override"];
    const trust = (this.options.trusted ?? true) ? ["--disable-workspace-trust"] : [];
    this.child = spawn(process.execPath, [...args, ...quiet, ...trust], {
      env: this.environment,
      stdio: "ignore",
      detached: true,
    });
    await untilListening(this.port);
  }
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) {
    throw new Error(`${name} is not set; run editors/vscode/run-tests`);
  }
  return value;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

async function untilListening(port: number): Promise<void> {
  for (let tries = 0; tries < 6_000; tries++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true));
      socket.once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (open) {
      return;
    }
    await sleep(100);
  }
  throw new Error("code-server did not begin to listen within ten minutes");
}
