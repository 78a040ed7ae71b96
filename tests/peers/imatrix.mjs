// node imatrix.mjs NIBBLE DIR: an importance matrix that nibble collects, read by @huggingface/gguf, and
// a file quantized with it, read by llama.cpp. Exit 1 and one line per failure.
import {execFileSync} from "node:child_process";
import path from "node:path";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";
import {gguf} from "@huggingface/gguf";

const [nibble, dir] = process.argv.slice(2);
const text = path.resolve(process.env.PEER_DEMO, "../eval.txt");
const matrix = path.resolve(dir, "demo.imatrix.gguf"), model = path.resolve(dir, "demo-weighed.gguf");
let passed = 0, failed = 0;

function check(ok, what) {
    if (ok) passed++;
    else {
        failed++;
        console.error(`FAILED ${what}`);
    }
}

function run(...args) {
    return JSON.parse(execFileSync(nibble, [...args, "--json"],
        {encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], timeout: 60_000}));
}

const report = run("imatrix", "demo", "-f", text, "-c", "64", "--chunks", "4", "-o", matrix);
const {tensorInfos, metadata} = await gguf(matrix, {allowLocalFile: true});
check(metadata["general.type"] === "imatrix", `general.type ${metadata["general.type"]}`);
check(metadata["imatrix.chunk_count"] === 4 && metadata["imatrix.chunk_size"] === 64, "chunks");
check(metadata["imatrix.datasets"]?.[0] === text, `datasets ${metadata["imatrix.datasets"]}`);
check(tensorInfos.length === 2 * report.entries, `${tensorInfos.length} tensors`);
const byName = new Map(tensorInfos.map((t) => [t.name, t]));
for (const t of run("imatrix", matrix, "--show-statistics").tensors) {
    check(Number(byName.get(`${t.name}.in_sum2`)?.shape[0]) === t.n, `${t.name}: columns`);
    check(Number(byName.get(`${t.name}.counts`)?.shape[0]) === 1, `${t.name}: counts`);
}

run("quantize", "demo", "-t", "Q4_K_M", "--imatrix", matrix, "-o", model);
const head = await gguf(model, {allowLocalFile: true});
check(head.metadata["quantize.imatrix.file"] === matrix.slice(0, 127), "quantize.imatrix.file");
check(head.metadata["quantize.imatrix.entries_count"] === report.entries, "entries_count");
check(head.metadata["quantize.imatrix.chunks_count"] === 4, "chunks_count");
const llama = await getLlama({gpu: false, build: "never", maxThreads: 1, logLevel: LlamaLogLevel.error});
const loaded = await llama.loadModel({modelPath: model});
check(loaded.tokenize("What is Q4_K?").length > 0, "the quantized file does not load");
await loaded.dispose();
console.log(`real peers: an importance matrix: ${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
