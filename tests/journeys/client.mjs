// RunPod's JavaScript client, as a user writes it; prints what it got as JSON: `node client.mjs BASE ENDPOINT KEY`.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [base, name, key, modules] = process.argv.slice(2);
const found = createRequire(`${modules}/`).resolve("runpod-sdk");
const { default: runpodSdk } = await import(pathToFileURL(found));
const endpoint = runpodSdk(key, { baseUrl: base }).endpoint(name);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const input = (value) => ({ input: value });

const got = {};
got.runSync = (await endpoint.runSync(input({ items: [1, "é"] }))).output;
const failed = await endpoint.runSync(input({ fail: "boom" }));
got.failed = [failed.status, typeof failed.error];
const job = await endpoint.run(input({ items: ["a", "b"], pause: 0.1 }));
got.stream = [];
for await (const item of endpoint.stream(job.id)) got.stream.push(item.output);
got.status = (await endpoint.status(job.id)).status;
const running = await endpoint.run(input({ sleep: 60 }));
while ((await endpoint.status(running.id)).status !== "IN_PROGRESS") await sleep(50);
await endpoint.run(input({ items: [0] }));
got.purge = await endpoint.purgeQueue();
got.cancel = (await endpoint.cancel(running.id)).status;
got.health = Object.keys((await endpoint.health()).jobs).sort();
console.log(JSON.stringify(got));
