/* What `nibble doctor FILE` says of files that do not run: one sentence, exit status 3. */
#include "tests/check.h"
#include "tests/gguf_file.h"
#include "tests/hf_folder.h"
#include "tests/run_child.h"
#include "tests/util.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { TYPE_STRING = 8 };

/* A GGUF of two text keys (an empty value leaves the key out) and one F32 tensor of 4 numbers. */
static void put_gguf(const char *path, unsigned version, const char *arch, const char *type)
{
    const char *const key[] = {"general.architecture", arch, "general.type", type};
    nb_str s = {0};
    nb_str_add(&s, "GGUF");
    gg_int(&s, version, 4);
    gg_int(&s, 1, 8);
    gg_int(&s, (arch[0] != '\0') + (type[0] != '\0'), 8);
    for (size_t i = 0; i < countof(key); i += 2) {
        if (!key[i + 1][0])
            continue;
        gg_text(&s, key[i]);
        gg_int(&s, TYPE_STRING, 4);
        gg_text(&s, key[i + 1]);
    }
    gg_text(&s, "some.weight");
    gg_int(&s, 1, 4);
    gg_int(&s, 4, 8);
    gg_int(&s, 0, 4);
    gg_int(&s, 0, 8);
    while (s.len % 32)
        gg_int(&s, 0, 1);
    gg_int(&s, 0, 8);
    gg_int(&s, 0, 8);
    test_spit(path, s.at, s.len);
    nb_str_free(&s);
}

/* Not a line more than the sentence, and the sentence has the words. */
static void expect(const char *path, const char *says)
{
    child c = child_run(&(child_how){.args = {"doctor", path}});
    const char *end = strchr(c.err, '\n');
    check(c.code == 3, "%s: exit status %d: %s", path, c.code, c.err);
    check(strncmp(c.err, "nibble: ", 8) == 0 && end && !end[1], "%s: %s", path, c.err);
    check(strstr(c.err, says), "%s: \"%s\" does not say %s", path, c.err, says);
    check(!strstr(c.err, "…"), "%s: cut short: %s", path, c.err);
    child_free(&c);
}

CHECK_TEST(doctor, gguf_files_of_other_things_are_explained)
{
    static const struct {
        unsigned version;
        const char *arch, *type, *says;
    } row[] = {
        {3, "zorp", "", "architecture \"zorp\" does not run here yet"},
        {3, "mamba", "model", "(a state-space model) does not run here yet"},
        {3, "deepseek2", "model", "(a decoder with multi-head latent attention) does not run"},
        {3, "clip", "mmproj", "(the vision half of a model (mmproj)) does not run here yet"},
        {3, "llama", "adapter", "a LoRA adapter, no model: give it to chat or eval with --lora"},
        {3, "", "imatrix", "an importance matrix, no model: give it to quantize with --imatrix"},
        {1, "llama", "model", "GGUF version 1, expected 2 or 3"},
        {0x03000000, "llama", "model", "written big-endian"},
    };
    for (size_t i = 0; i < countof(row); i++) {
        const char *path = test_path(test_tmpdir(), "other.gguf");
        put_gguf(path, row[i].version, row[i].arch, row[i].type);
        expect(path, row[i].says);
    }
}

CHECK_TEST(doctor, files_that_are_no_models_are_explained)
{
    static const struct {
        const char *name, *bytes;
        size_t n;
        const char *says;
    } row[] = {
        {"pytorch_model.bin", "PK\3\4\0\0\x08\x08", 8,
         "as PyTorch's pickles are, which is never read"},
        {"old.pt", "\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2M\xe9\3.", 22,
         "a pickle of PyTorch, which is never read because it can run code"},
        {"ggml-model-q4_0.bin", "tjgg\3\0\0\0", 8, "a GGML file, older than GGUF"},
        {"short.gguf", "GGUF\3\0\0\0", 8, "counts"},
    };
    for (size_t i = 0; i < countof(row); i++) {
        const char *path = test_path(test_tmpdir(), row[i].name);
        test_spit(path, row[i].bytes, row[i].n);
        expect(path, row[i].says);
    }
}

CHECK_TEST(doctor, folders_that_do_not_run_are_explained)
{
    char alone[700], peft[700];
    hf_folder f =
        hf_folder_make("state", "{\"architectures\":[\"MambaForCausalLM\"]," HF_SMALL "}");
    expect(f.dir, "class MambaForCausalLM does not run here (these do: Llama ");
    f = hf_folder_make("vision",
                       "{\"architectures\":[\"Qwen2_5_VLForConditionalGeneration\"]," HF_SMALL "}");
    expect(f.dir, "class Qwen2_5_VLForConditionalGeneration does not run here (these do: Llama ");
    f = hf_folder_make("pickled", HF_LLAMA(""));
    test_spit(test_path(f.dir, "pytorch_model.bin"), "PK\3\4", 4);
    expect(f.dir, "its weights are pickles (pytorch_model.bin), which are never read because");
    f = hf_folder_make("packed", HF_LLAMA(",\"quantization_config\":{\"quant_method\":\"aqlm\"}"));
    hf_put_tensors(test_path(f.dir, "model.safetensors"), "{" HF_EMBED "}", 64);
    expect(f.dir, "packed by aqlm, which cannot be read");
    snprintf(alone, sizeof alone, "%s/alone", test_tmpdir());
    snprintf(peft, sizeof peft, "%s/peft", test_tmpdir());
    check(mkdir(alone, 0755) == 0 && mkdir(peft, 0755) == 0, "folders");
    hf_put_tensors(test_path(alone, "model.safetensors"), "{" HF_EMBED "}", 64);
    expect(test_path(alone, "model.safetensors"), "the config.json that tells their model is not");
    test_spit(test_path(peft, "adapter_config.json"), "{}", 2);
    expect(peft, "is a LoRA adapter of PEFT, no model");
}
