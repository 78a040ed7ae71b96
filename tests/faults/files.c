/* Scenarios of core/files: every container opened and looked into (A11). */
#include <string.h>

#include "core/files/gguf.h"
#include "core/files/library.h"
#include "core/files/weights.h"
#include "tests/faults/faults.h"
#include "tests/util.h"

/* --- a small GGUF file, laid out by our own writer --- */

static const char *gguf_path(void)
{
    return test_path(test_tmpdir(), "small.gguf");
}

static nb_status write_small(nb_kvs *kvs, nb_err *err)
{
    static const int32_t numbers[300];
    nb_tensor tensors[2] = {
        {.name = "token_embd.weight", .type = NK_F32, .n_dims = 2, .shape = {64, 8, 1, 1}},
        {.name = "output_norm.weight", .type = NK_F32, .n_dims = 1, .shape = {64, 1, 1, 1}},
    };
    nb_str head = {0};
    uint64_t file_len;
    NB_TRY(nb_kvs_put_str(kvs, "general.architecture", "llama", 5, err));
    NB_TRY(nb_kvs_put_u32(kvs, "llama.block_count", 2, err));
    NB_TRY(nb_kvs_put_i32s(kvs, "test.numbers", numbers, 300, err));
    NB_TRY(nb_gguf_layout(&head, kvs, tensors, 2, 32, &file_len, err));
    char *bytes = calloc(1, file_len);
    fault_check(bytes && head.len <= file_len, "%zu bytes", head.len);
    memcpy(bytes, head.at, head.len);
    test_spit(gguf_path(), bytes, file_len);
    free(bytes);
    nb_str_free(&head);
    return NB_OK;
}

static void lay_out_gguf(void)
{
    static bool done;
    nb_kvs *kvs = NULL;
    nb_err err = {0};
    if (done)
        return;
    done = true;
    fault_check(nb_kvs_open(&kvs, &err) == NB_OK && write_small(kvs, &err) == NB_OK, "%s", err.msg);
    nb_kvs_close(&kvs);
}

static nb_status open_gguf(nb_err *err)
{
    nb_weights *w = NULL;
    uint64_t n;
    nb_status status = nb_weights_open(&w, gguf_path(), err);
    fault_check((status == NB_OK) == (w != NULL), "output without success");
    if (status != NB_OK)
        return status;
    fault_check(nb_weights_count(w) == 2 && nb_weights_find(w, "output_norm.weight"), "tensors");
    fault_check(nb_kvs_uint(nb_weights_kvs(w), "llama.block_count", &n) && n == 2, "keys");
    nb_weights_close(&w);
    return NB_OK;
}
FAULT_SCENARIO(gguf_open, lay_out_gguf, open_gguf, NULL);

static nb_status plan_gguf(nb_err *err)
{
    nb_kvs *kvs = NULL;
    NB_TRY(nb_kvs_open(&kvs, err));
    nb_tensor t = {.name = "a", .type = NK_F32, .n_dims = 1, .shape = {64, 1, 1, 1}};
    nb_str head = {0};
    uint64_t file_len;
    nb_status status = nb_kvs_put_str(kvs, "general.architecture", "llama", 5, err);
    if (status == NB_OK)
        status = nb_gguf_layout(&head, kvs, &t, 1, 32, &file_len, err);
    fault_check(status != NB_OK || file_len == head.len + 256, "%d bytes", (int)head.len);
    nb_str_free(&head);
    nb_kvs_close(&kvs);
    return status;
}
FAULT_SCENARIO(gguf_layout, NULL, plan_gguf, NULL);

/* --- the bundled Hugging Face directory --- */

static nb_status open_hf(nb_err *err)
{
    nb_weights *w = NULL;
    nb_status status = nb_weights_open(&w, test_data("nibble-demo"), err);
    fault_check((status == NB_OK) == (w != NULL), "output without success");
    if (status != NB_OK)
        return status;
    const nb_kv *tokens = nb_kvs_find(nb_weights_kvs(w), "tokenizer.ggml.tokens");
    fault_check(tokens && tokens->n > 1000 && nb_weights_find(w, "blk.0.attn_q.weight"), "content");
    nb_weights_close(&w);
    return NB_OK;
}
FAULT_SCENARIO(hf_open, NULL, open_hf, NULL);

/* --- the listing: a file that cannot be read is a row that says so --- */

static nb_status scan_library(nb_err *err)
{
    static nb_config cfg;
    nb_library *lib = NULL;
    const char *path = gguf_path();
    snprintf(cfg.demo_dir, sizeof cfg.demo_dir, "%s", test_data("nibble-demo"));
    nb_status status = nb_library_scan(&lib, &cfg, &path, 1, NULL, err);
    fault_check((status == NB_OK) == (lib != NULL), "output without success");
    if (status != NB_OK)
        return status;
    fault_check(nb_library_count(lib) >= 1, "no rows");
    for (size_t i = 0; i < nb_library_count(lib); i++) {
        const nb_entry *e = nb_library_at(lib, i);
        fault_check(e->problem[0] || e->params > 0, "%s: no weights and no reason", e->path);
    }
    nb_library_close(&lib);
    return NB_OK;
}
FAULT_SCENARIO(library_scan, lay_out_gguf, scan_library, NULL);
