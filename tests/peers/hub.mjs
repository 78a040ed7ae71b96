// node hub.mjs NIBBLE FAKE_HUB DIR: @huggingface/hub and nibble on the same fake Hub. Both list the
// same; what one of them downloads the other finds in its cache without asking for a byte. Exit 1
// and one line per failure.
import {execFileSync, spawn} from "node:child_process";
import {createHash} from "node:crypto";
import {mkdirSync, readFileSync} from "node:fs";
import path from "node:path";
import {createInterface} from "node:readline";
import {downloadFileToCacheDir, listFiles, listModels, modelInfo, scanCacheDir, snapshotDownload, whoAmI}
    from "@huggingface/hub";

const [nibble, fakeHub, dir] = process.argv.slice(2);
const token = "hf_peer", weights = "peer/demo-GGUF", checkpoint = "peer/demo";
const file = "sub/demo-Q4_0.gguf";
let passed = 0, failed = 0;
console.debug = () => {}; // it tells every download

function check(ok, what) {
    if (ok) passed++;
    else {
        failed++;
        console.error(`FAILED ${what}`);
    }
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const digest = (name) => createHash("sha256").update(readFileSync(name)).digest("hex");
const home = (name) => path.join(dir, name);
const cacheOf = (name) => path.join(dir, name, "hub");

// --- the server: lines in, JSON lines out --------------------------------------------------------
let server, lines, hubUrl;

async function start() {
    mkdirSync(path.join(dir, "files/sub"), {recursive: true});
    execFileSync(nibble, ["quantize", "demo", "-q", "-t", "Q4_0", "-o", path.join(dir, "files", file)]);
    execFileSync(nibble, ["quantize", "demo", "-q", "-t", "Q2_K", "-o", path.join(dir, "files/demo-Q2_K.gguf")]);
    server = spawn(fakeHub, ["--token", token, "--dir", `${weights}=${path.join(dir, "files")}`,
        "--dir", `${checkpoint}=${process.env.PEER_DEMO}`], {stdio: ["pipe", "pipe", "inherit"]});
    lines = createInterface({input: server.stdout})[Symbol.asyncIterator]();
    hubUrl = JSON.parse((await lines.next()).value).hub;
}

let seen = 0; // requests of the log that were looked at

// What was asked since the last time.
async function asked() {
    server.stdin.write("log\n");
    const log = [];
    for (let line; (line = (await lines.next()).value);) log.push(JSON.parse(line));
    const fresh = log.slice(seen);
    seen = log.length;
    return fresh.map((r) => `${r.method} ${r.port}:${r.target}`);
}

function run(where, env, ...args) {
    return JSON.parse(execFileSync(nibble, [...args, "--json"], {encoding: "utf8", timeout: 60_000,
        stdio: ["ignore", "pipe", "inherit"],
        env: {PATH: process.env.PATH, HOME: dir, HF_HOME: home(where), HF_ENDPOINT: hubUrl, HF_TOKEN: token, ...env}}));
}

// --- both see the same ---------------------------------------------------------------------------
async function listings() {
    const theirs = [], mine = run("none", {}, "search", "demo", "--sort", "downloads").models;
    for await (const m of listModels({hubUrl, search: {query: "demo"}, sort: "downloads"})) theirs.push(m);
    check(theirs.length === 2 && same(theirs.map((m) => m.name), mine.map((m) => m.id)),
        `models: ${mine.map((m) => m.id)}`);
    check(same(theirs.map((m) => [m.likes, m.downloads]), mine.map((m) => [m.likes, m.downloads])), "counts");
    for (const name of [weights, checkpoint]) {
        const files = [], shown = run("none", {}, "show", name, "--files");
        for await (const f of listFiles({hubUrl, repo: name, recursive: true}))
            if (f.type === "file") files.push([f.path, f.lfs?.size ?? f.size, f.lfs?.oid ?? f.oid]);
        check(same(files.sort(), shown.files.map((f) => [f.path, f.bytes, f.oid]).sort()), `files of ${name}`);
        const info = await modelInfo({hubUrl, name, additionalFields: ["sha"]});
        check(info.sha === shown.commit, `commit of ${name}: ${shown.commit}`);
    }
    const me = await whoAmI({hubUrl, accessToken: token});
    check(me.name === run("none", {}, "whoami").name, `whoami: ${me.name}`);
}

// --- theirs to ours ------------------------------------------------------------------------------
async function fromTheirs() {
    const folder = await snapshotDownload({hubUrl, repo: weights, cacheDir: cacheOf("theirs")});
    await snapshotDownload({hubUrl, repo: checkpoint, cacheDir: cacheOf("theirs")});
    const commit = path.basename(folder);
    await asked();
    for (const [name, most] of [[`${weights}@${commit}:${file}`, 0], [`${weights}:${file}`, 1]]) {
        const got = run("theirs", {}, "pull", name).pulled[0].files[0], log = await asked();
        check(got.landed === path.join(folder, file) && got.cached, `${name} is taken: ${got.landed}`);
        check(log.length <= most && !log.some((r) => r.includes("cdn:")), `${name} asked ${log}`);
    }
    const offline = run("theirs", {HF_HUB_OFFLINE: "1"}, "pull", `${weights}:${file}`).pulled[0];
    check(offline.files[0].landed === path.join(folder, file), "offline");
    const whole = run("theirs", {}, "pull", checkpoint).pulled[0];
    check(whole.files.length > 3 && whole.files.every((f) => f.cached), "the checkpoint is there");
    check(!(await asked()).some((r) => r.includes("cdn:") || r.includes("/resolve")), "its files were asked for");
    const models = run("theirs", {}, "ls").models.filter((m) => m.store === "hf");
    check(models.length === 3 && models.every((m) => !m.problem), `ls: ${models.map((m) => m.path)}`);
    check(models.some((m) => m.path === path.join(folder, file)), `${file} is listed`);
    const sound = run("theirs", {}, "verify");
    check(sound.bad.length === 0 && sound.files > 5, `verify: ${JSON.stringify(sound).slice(0, 300)}`);
    check((await asked()).length === 0, "ls or verify asked the server");
}

// --- ours to theirs ------------------------------------------------------------------------------
async function fromOurs() {
    const pulled = run("ours", {}, "pull", weights + ":" + file, weights + ":Q2_K", checkpoint).pulled;
    const commit = pulled[0].commit;
    await asked();
    for (const one of pulled)
        for (const f of one.files) {
            const params = {hubUrl, repo: one.repo, path: f.path, cacheDir: cacheOf("ours")};
            const fixed = await downloadFileToCacheDir({...params, revision: one.commit});
            check(fixed === f.landed, `${f.path} by commit: ${fixed}`);
            check((await asked()).length === 0, `${f.path} by commit asked the server`);
            check(await downloadFileToCacheDir(params) === f.landed, `${f.path} by branch`);
            const log = await asked();
            check(log.length === 1 && log[0].includes("/paths-info/"), `${f.path} by branch asked ${log}`);
        }
    const cache = await scanCacheDir(cacheOf("ours"));
    check(cache.warnings.length === 0, `warnings: ${cache.warnings}`);
    check(same(cache.repos.map((r) => r.id.name).sort(), [checkpoint, weights]), "repositories");
    for (const repo of cache.repos) {
        check(repo.revisions.length === 1 && same(repo.revisions[0].refs, ["main"]), `${repo.id.name}: refs`);
        const mine = pulled.filter((p) => p.repo === repo.id.name).flatMap((p) => p.files)
            .filter((f) => !f.path.includes("/")); // their scan looks at the root only
        check(same(repo.revisions[0].files.map((f) => [f.path, f.blob.size]).sort(),
            mine.map((f) => [f.landed, f.bytes]).sort()), `${repo.id.name}: files`);
    }
    // What is complete costs no file; here the list alone.
    const folder = await snapshotDownload({hubUrl, repo: weights, cacheDir: cacheOf("ours")});
    check(path.basename(folder) === commit, "snapshot");
    check(!(await asked()).some((r) => r.includes("cdn:")), "a snapshot of what is there was downloaded");
    for (const f of pulled.flatMap((p) => p.files)) {
        const twin = f.landed.replace(cacheOf("ours"), cacheOf("theirs"));
        check(digest(f.landed) === digest(twin), `${f.path}: other bytes`);
        check(!f.sha256 || f.sha256 === digest(f.landed), `${f.path}: sha256`);
    }
}

try {
    await start();
    for (const part of [listings, fromTheirs, fromOurs])
        await part().catch((error) => check(false, `${part.name}: ${error.stack}`));
} finally {
    server?.stdin.end();
}
console.log(`real peers: one Hub and one cache with @huggingface/hub: ${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
