// SPDX-License-Identifier: Apache-2.0
// A web server; each path has it do something else.
const { execFile } = require("node:child_process");
const { pbkdf2 } = require("node:crypto");
const dns = require("node:dns/promises");
const fs = require("node:fs/promises");
const http = require("node:http");
const { promisify } = require("node:util");
const { Worker } = require("node:worker_threads");

const WORK = {
  hello: async () => "here",
  file: async () => {
    await fs.writeFile("/tmp/file", "content");
    const read = await fs.readFile("/tmp/file", "utf8");
    await fs.rm("/tmp/file");
    return read;
  },
  hash: async () => (await promisify(pbkdf2)("word", "salt", 1000, 16, "sha256")).toString("hex"),
  worker: () =>
    new Promise((resolve, reject) => {
      const code = "require('node:worker_threads').parentPort.postMessage(6 * 7)";
      new Worker(code, { eval: true }).once("message", resolve).once("error", reject);
    }),
  child: async () => (await promisify(execFile)("/usr/bin/id", ["-u"])).stdout.trim(),
  dns: async () => (await dns.lookup("localhost")).address,
};

const server = http.createServer(async (request, response) => {
  const what = request.url.slice(1);
  try {
    response.end(`${what}: ${await WORK[what]()}\n`);
  } catch (error) {
    response.writeHead(500).end(`${error}\n`);
  }
});
server.listen(3000, "127.0.0.1");
process.on("SIGTERM", () => server.close(() => process.exit(0)));
process.on("SIGTERM", () => server.closeAllConnections());
