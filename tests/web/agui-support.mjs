// What the tests of the frames share: the real local program, and recorded runs over a real socket.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";

const PROGRAM = fileURLToPath(new URL("../../target/debug/local", import.meta.url));

/** Starts the local AWS on a free port; `stop` ends it and its function. */
export async function startLocal(...options) {
  const program = spawn(PROGRAM, ["--port", "0", ...options], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = [];
  program.stderr.setEncoding("utf8").on("data", (text) => output.push(text));
  const exited = once(program, "exit");

  const page = await new Promise((resolve, reject) => {
    // The reader goes on after the address was found, so that the pipe never fills.
    createInterface({ input: program.stdout }).on("line", (line) => {
      output.push(`${line}\n`);
      const address = /http:\/\/127\.0\.0\.1:\d+/.exec(line);
      if (address) resolve(address[0]);
    });
    program.once("error", (cause) =>
      reject(new Error(`${PROGRAM} did not start; \`cargo build\` makes it`, { cause })),
    );
    exited.then(
      ([code]) => reject(new Error(`the local program ended with ${code}:\n${output.join("")}`)),
      reject,
    );
  });

  return {
    page,
    socket: `${page.replace("http", "ws")}/local`,
    /** What the program has printed so far, for a failing test's message. */
    output: () => output.join(""),
    async stop() {
      program.kill("SIGINT");
      await exited;
    },
  };
}

/**
 * Sends one message over a connection of its own and records every frame of its run, as text.
 *
 * After the terminal frame a message that is no request follows, and the frame that refuses it
 * ends the record: a frame that wrongly came after the terminal one would stand before it.
 */
export async function record(local, message) {
  const socket = new WebSocket(local.socket);
  const frames = [];
  const run = { frames, binary: 0 };
  let fenced = false;
  await new Promise((resolve, reject) => {
    socket.on("open", () =>
      socket.send(typeof message === "string" ? message : JSON.stringify(message)),
    );
    socket.on("message", (data, isBinary) => {
      if (isBinary) run.binary += 1;
      const text = data.toString("utf8");
      const { type } = JSON.parse(text);
      if (fenced && type === "RUN_ERROR") {
        resolve();
        return;
      }
      frames.push(text);
      if (isTerminal(type) && !fenced) {
        fenced = true;
        socket.send("no request");
      }
    });
    socket.on("close", (code) =>
      reject(
        new Error(
          `the connection closed with ${code} after ${frames.length} frames\n${local.output()}`,
        ),
      ),
    );
    socket.on("error", reject);
  });
  socket.removeAllListeners("close");
  socket.close();
  await once(socket, "close");
  return run;
}

export const isTerminal = (type) => type === "RUN_FINISHED" || type === "RUN_ERROR";

/** A complete AG-UI `RunAgentInput` with the prompt as its only message. */
export function runAgentInput(prompt, { threadId, runId, ...rest } = {}) {
  return {
    threadId: threadId ?? crypto.randomUUID(),
    runId: runId ?? crypto.randomUUID(),
    state: {},
    messages: [{ id: crypto.randomUUID(), role: "user", content: prompt }],
    tools: [],
    context: [],
    forwardedProps: {},
    ...rest,
  };
}

/** Puts the fragments of oversized frames together again; all other events stay as they are. */
export function reassemble(events) {
  const parts = new Map();
  return events.flatMap((event) => {
    if (event.type !== "CUSTOM" || event.name !== "relay.fragment") return [event];
    const { id, index, count, data } = event.value;
    const gathered = parts.get(id) ?? [];
    parts.set(id, gathered);
    if (index !== gathered.length) {
      throw new Error(`fragment ${index} of ${id} came after ${gathered.length} fragments`);
    }
    gathered.push(data);
    if (gathered.length < count) return [];
    parts.delete(id);
    return [JSON.parse(gathered.join(""))];
  });
}

/** The text that the run's message chunks carry, in order. */
export function textOf(events) {
  return events
    .filter(({ type }) => type === "TEXT_MESSAGE_CHUNK")
    .map(({ delta }) => delta ?? "")
    .join("");
}
