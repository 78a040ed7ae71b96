#include "tests/arch_rows.h"
#include "tests/check.h"
#include "tests/tiny.h"
#include "tests/util.h"

#include "core/model/model.h"
#include "core/model/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CHECK_TEST(arch, rows_are_found_by_name_and_slots_name_tensors)
{
    size_t n;
    const nb_arch *all = nb_arch_all(&n);
    char name[64];
    for (size_t i = 0; i < n; i++)
        check(nb_arch_find(all[i].name) == &all[i], "%s", all[i].name);
    check(!nb_arch_find("lama") && !nb_arch_find(""), "unknown names");
    nb_slot_name(NB_FFN_DOWN, 31, name);
    check(strcmp(name, "blk.31.ffn_down.weight") == 0, "%s", name);
    nb_slot_name(NB_OUTPUT_NORM, 7, name);
    check(strcmp(name, "output_norm.weight") == 0, "%s", name);
    nb_slot_name(NB_ATTN_OUT, UINT32_MAX, name);
    check(strcmp(name, "blk.4294967295.attn_output.weight") == 0, "%s", name);
    for (int slot = 0; slot < NB_SLOT_COUNT; slot++)
        check(nb_slot_of((nb_slot)slot)->name, "slot %d", slot);
}

/* Opens what tiny_write made with these hooks. */
static nb_status open_with(const tiny *t, const tiny_hooks *hooks, nb_err *err)
{
    const char *path = test_path(test_tmpdir(), "model.gguf");
    nb_weights *w = NULL;
    nb_model *m = NULL;
    tiny_write(path, t, hooks);
    check(nb_weights_open(&w, path, err) == NB_OK, "weights: %s", err->msg);
    nb_status status = nb_model_open(&m, w, err);
    check(status == NB_OK || !m, "a failed open leaves nothing");
    nb_model_close(&m);
    nb_weights_close(&w);
    return status;
}

static tiny one_layer(void)
{
    tiny t = tiny_default();
    t.n_layer = 1;
    t.n_embd = t.n_ff = 64;
    t.n_vocab = 40;
    return t;
}

/* --- keys --------------------------------------------------------------------------------------
 */

typedef struct bad_key {
    const char *key;
    enum { DROP, UINT, INT, FLOAT, TEXT, LIST } as;
    double value;
    const char *text;
    nb_status status;
    const char *says;
} bad_key;

static void spoil_key(void *arg, nb_kvs *kvs)
{
    const bad_key *b = arg;
    const int32_t list[] = {4, b->as == LIST ? (int32_t)b->value : 0};
    switch (b->as) {
    case DROP:
        nb_kvs_drop(kvs, b->key);
        break;
    case UINT:
        nb_kvs_put_u32(kvs, b->key, (uint32_t)b->value, NULL);
        break;
    case INT:
        nb_kvs_put_i32(kvs, b->key, (int32_t)b->value, NULL);
        break;
    case FLOAT:
        nb_kvs_put_f32(kvs, b->key, (float)b->value, NULL);
        break;
    case TEXT:
        nb_kvs_put_str(kvs, b->key, b->text, strlen(b->text), NULL);
        break;
    case LIST:
        nb_kvs_put_i32s(kvs, b->key, list, 2, NULL);
        break;
    }
}

CHECK_TEST(model, keys_that_lie_are_refused_by_name_A4)
{
    static const bad_key bad[] = {
        {"general.architecture", DROP, 0, 0, NB_FORMAT, "general.architecture"},
        {"general.architecture", TEXT, 0, "mamba", NB_UNSUPPORTED, "mamba"},
        {"general.architecture", TEXT, 0, "", NB_UNSUPPORTED, "architecture"},
        {"general.architecture", UINT, 1, 0, NB_FORMAT, "general.architecture"},
        {"llama.block_count", DROP, 0, 0, NB_FORMAT, "block_count"},
        {"llama.block_count", UINT, 0, 0, NB_FORMAT, "block_count"},
        {"llama.block_count", UINT, 4294967295.0, 0, NB_FORMAT, "block_count"},
        {"llama.block_count", INT, -1, 0, NB_FORMAT, "block_count"},
        {"llama.block_count", TEXT, 0, "1", NB_FORMAT, "block_count"},
        {"llama.block_count", FLOAT, 1, 0, NB_FORMAT, "block_count"},
        {"llama.block_count", UINT, 2, 0, NB_FORMAT, "blk.1.attn_norm.weight"},
        {"llama.embedding_length", UINT, 65, 0, NB_FORMAT, "65"},
        {"llama.embedding_length", UINT, 4294967295.0, 0, NB_FORMAT, "embedding_length"},
        {"llama.feed_forward_length", UINT, 0, 0, NB_FORMAT, "feed_forward_length"},
        {"llama.feed_forward_length", UINT, 63, 0, NB_FORMAT, "ffn_gate"},
        {"llama.context_length", DROP, 0, 0, NB_FORMAT, "context_length"},
        {"llama.context_length", UINT, 0, 0, NB_FORMAT, "context_length"},
        {"llama.attention.head_count", UINT, 0, 0, NB_FORMAT, "head_count"},
        {"llama.attention.head_count", UINT, 3, 0, NB_FORMAT, "head_count"},
        {"llama.attention.head_count", LIST, 2, 0, NB_UNSUPPORTED, "layer to layer"},
        {"llama.attention.head_count", UINT, 64, 0, NB_FORMAT, "key_length"},
        {"llama.attention.head_count_kv", UINT, 0, 0, NB_FORMAT, "head_count_kv"},
        {"llama.attention.head_count_kv", UINT, 3, 0, NB_FORMAT, "multiple"},
        {"llama.attention.head_count_kv", UINT, 8, 0, NB_FORMAT, "multiple"},
        {"llama.attention.head_count_kv", UINT, 4, 0, NB_FORMAT, "attn_k"},
        {"llama.attention.key_length", UINT, 32, 0, NB_FORMAT, "attn_q"},
        {"llama.attention.key_length", UINT, 1, 0, NB_FORMAT, "key_length"},
        {"llama.attention.value_length", UINT, 8, 0, NB_UNSUPPORTED, "value_length"},
        {"llama.rope.dimension_count", UINT, 17, 0, NB_FORMAT, "dimension_count"},
        {"llama.rope.dimension_count", UINT, 7, 0, NB_FORMAT, "odd"},
        {"llama.rope.dimension_count", UINT, 0, 0, NB_FORMAT, "dimension_count"},
        {"llama.attention.layer_norm_rms_epsilon", DROP, 0, 0, NB_FORMAT, "rms_epsilon"},
        {"llama.attention.layer_norm_rms_epsilon", FLOAT, NAN, 0, NB_FORMAT, "rms_epsilon"},
        {"llama.attention.layer_norm_rms_epsilon", FLOAT, -1, 0, NB_FORMAT, "rms_epsilon"},
        {"llama.rope.freq_base", FLOAT, 0, 0, NB_FORMAT, "freq_base"},
        {"llama.rope.freq_base", FLOAT, INFINITY, 0, NB_FORMAT, "freq_base"},
        {"llama.rope.freq_base", TEXT, 0, "x", NB_FORMAT, "freq_base"},
        {"llama.rope.scaling.type", TEXT, 0, "su", NB_UNSUPPORTED, "su"},
        {"llama.rope.scaling.factor", FLOAT, NAN, 0, NB_FORMAT, "factor"},
        {"llama.rope.scaling.factor", FLOAT, -4, 0, NB_FORMAT, "factor"},
        {"llama.vocab_size", UINT, 0, 0, NB_FORMAT, "vocab_size"},
        {"llama.vocab_size", UINT, 41, 0, NB_FORMAT, "token_embd"},
        {"llama.vocab_size", UINT, 4294967295.0, 0, NB_FORMAT, "vocab_size"},
        {"llama.vocab_size", DROP, 0, 0, NB_FORMAT, "vocab_size"},
        {"llama.expert_count", UINT, 8, 0, NB_FORMAT, "expert_used_count"},
        {"llama.expert_count", UINT, 4097, 0, NB_FORMAT, "expert_count"},
    };
    tiny t = one_layer();
    for (size_t i = 0; i < countof(bad); i++) {
        bad_key key = bad[i];
        tiny_hooks hooks = {.keys = spoil_key, .arg = &key};
        nb_err err = {0};
        nb_status status = open_with(&t, &hooks, &err);
        check(status == key.status, "row %zu (%s): status %d, %s", i, key.key, status, err.msg);
        check(strstr(err.msg, key.says), "row %zu: \"%s\" does not say %s", i, err.msg, key.says);
    }
}

/* As above for a mixture that turns by yarn, looks back 9 positions and has sinks. */
CHECK_TEST(model, keys_of_other_families_are_checked_alike)
{
    static const bad_key bad[] = {
        {"gpt-oss.expert_count", DROP, 0, 0, NB_FORMAT, "expert_count"},
        {"gpt-oss.expert_count", UINT, 5, 0, NB_FORMAT, "ffn_gate_inp"},
        {"gpt-oss.expert_used_count", UINT, 0, 0, NB_FORMAT, "expert_used_count"},
        {"gpt-oss.expert_used_count", UINT, 5, 0, NB_FORMAT, "expert_used_count"},
        {"gpt-oss.expert_feed_forward_length", UINT, 32, 0, NB_FORMAT, "ffn_gate_exps"},
        {"gpt-oss.expert_gating_func", UINT, 2, 0, NB_UNSUPPORTED, "expert_gating_func"},
        {"gpt-oss.expert_gating_func", UINT, 3, 0, NB_OK, ""},
        {"gpt-oss.expert_weights_scale", FLOAT, INFINITY, 0, NB_FORMAT, "expert_weights_scale"},
        {"gpt-oss.hidden_activation", TEXT, 0, "mish", NB_UNSUPPORTED, "mish"},
        {"gpt-oss.attention.sliding_window", TEXT, 0, "9", NB_FORMAT, "sliding_window"},
        {"gpt-oss.attention.sliding_window_pattern", UINT, 0, 0, NB_FORMAT, "window_pattern"},
        {"gpt-oss.attention.sliding_window_pattern", LIST, 0, 0, NB_OK, ""},
        {"gpt-oss.attention.scale", FLOAT, NAN, 0, NB_FORMAT, "attention.scale"},
        {"gpt-oss.attn_logit_softcapping", FLOAT, -1, 0, NB_FORMAT, "softcapping"},
        {"gpt-oss.rope.freq_base", FLOAT, 1, 0, NB_FORMAT, "freq_base"},
        {"gpt-oss.rope.scaling.original_context_length", UINT, 0, 0, NB_FORMAT, "original"},
        {"gpt-oss.rope.scaling.attn_factor", FLOAT, 0, 0, NB_FORMAT, "attn_factor"},
        {"gpt-oss.rope.scaling.yarn_beta_fast", FLOAT, 0, 0, NB_FORMAT, "beta_fast"},
        {"gpt-oss.rope.scaling.yarn_ext_factor", FLOAT, 2, 0, NB_FORMAT, "ext_factor"},
    };
    const arch_row *rows;
    size_t n = arch_rows(&rows), which = 0;
    while (which < n && strcmp(rows[which].label, "gpt-oss") != 0)
        which++;
    check(which < n, "no such row");
    for (size_t i = 0; i < countof(bad); i++) {
        bad_key key = bad[i];
        tiny_hooks hooks = {.keys = spoil_key, .arg = &key};
        nb_err err = {0};
        nb_status status = open_with(&rows[which].model, &hooks, &err);
        check(status == key.status, "row %zu (%s): status %d, %s", i, key.key, status, err.msg);
        check(strstr(err.msg, key.says), "row %zu: \"%s\" does not say %s", i, err.msg, key.says);
    }
}

/* One sentence that names the architecture, and what it is where that is known. */
CHECK_TEST(model, what_does_not_run_is_named_with_its_kind)
{
    static const bad_key others[] = {
        {"general.architecture", TEXT, 0, "mamba2", NB_UNSUPPORTED, "\"mamba2\" (a state-space"},
        {"general.architecture", TEXT, 0, "clip", NB_UNSUPPORTED, "vision half"},
        {"general.architecture", TEXT, 0, "falcon-h1", NB_UNSUPPORTED, "hybrid"},
        {"general.architecture", TEXT, 0, "deepseek2", NB_UNSUPPORTED, "latent attention"},
        {"general.architecture", TEXT, 0, "gemma3n", NB_UNSUPPORTED, "per-layer embeddings"},
        {"general.architecture", TEXT, 0, "nomic-bert", NB_UNSUPPORTED, "encoder"},
        {"general.architecture", TEXT, 0, "newest", NB_UNSUPPORTED, "\"newest\" does not run"},
    };
    tiny t = one_layer();
    for (size_t i = 0; i < countof(others); i++) {
        bad_key key = others[i];
        tiny_hooks hooks = {.keys = spoil_key, .arg = &key};
        nb_err err = {0};
        check(open_with(&t, &hooks, &err) == key.status, "%s: %s", key.text, err.msg);
        check(strstr(err.msg, key.says), "\"%s\" does not say %s", err.msg, key.says);
    }
}

static bool leave_out(void *arg, nb_tensor *t, float *values)
{
    (void)values;
    return strcmp(t->name, arg) != 0;
}

/* What a row's own keys make of its architecture. */
static int features_of(const arch_row *row)
{
    const char *path = test_path(test_tmpdir(), "whole.gguf");
    nb_weights *w = NULL;
    nb_hparams hp;
    nb_err err = {0};
    arch_row_write(path, row, NK_F32);
    check(nb_weights_open(&w, path, &err) == NB_OK, "%s", err.msg);
    check(nb_hparams_read(&hp, nb_weights_kvs(w), &err) == NB_OK, "%s", err.msg);
    nb_weights_close(&w);
    return hp.features;
}

CHECK_TEST(model, every_required_tensor_is_missed_by_name)
{
    const arch_row *rows;
    size_t n = arch_rows(&rows), missed = 0;
    for (size_t i = 0; i < n; i++) {
        int features = features_of(&rows[i]);
        for (int slot = 0; slot < NB_SLOT_COUNT; slot++) {
            char name[NB_MAX_NAME + 1];
            bool split = rows[i].model.fused_qkv && slot >= NB_ATTN_Q && slot <= NB_ATTN_V_BIAS;
            if (split || !nb_slot_required((nb_slot)slot, features))
                continue;
            nb_slot_name((nb_slot)slot, rows[i].model.n_layer - 1, name);
            tiny_hooks hooks = {.tensor = leave_out, .arg = name};
            nb_err err = {0};
            nb_status st = open_with(&rows[i].model, &hooks, &err);
            check(st == NB_FORMAT && strstr(err.msg, name), "%s without %s: %d %s", rows[i].label,
                  name, st, err.msg);
            missed++;
        }
    }
    check(missed > 300, "%zu tensors were left out", missed);
}

CHECK_TEST(model, keys_that_may_be_absent_have_defaults)
{
    const bad_key fine[] = {
        {"llama.expert_count", UINT, 0, 0, NB_OK, ""},
        {"llama.rope.scaling.type", TEXT, 0, "none", NB_OK, ""},
        {"llama.rope.scaling.type", TEXT, 0, "linear", NB_OK, ""},
        {"llama.rope.scaling.factor", FLOAT, 0, 0, NB_OK, ""}, /* converters' way to say none */
        {"llama.attention.key_length", UINT, 16, 0, NB_OK, ""},
        {"llama.attention.head_count", LIST, 4, 0, NB_OK, ""}, /* the same for all layers */
    };
    tiny t = one_layer();
    for (size_t i = 0; i < countof(fine); i++) {
        bad_key key = fine[i];
        tiny_hooks hooks = {.keys = spoil_key, .arg = &key};
        nb_err err = {0};
        check(open_with(&t, &hooks, &err) == NB_OK, "%s: %s", key.key, err.msg);
    }
}

/* --- tensors -----------------------------------------------------------------------------------
 */

typedef struct bad_tensor {
    const char *name;
    enum { LEAVE_OUT, RENAME, FEWER_ROWS, FEWER_COLS, AS_TYPE, SET_VALUE } how;
    const char *to;
    nk_type_id type;
    float value;
    nb_status status;
    const char *says;
} bad_tensor;

static bool spoil_tensor(void *arg, nb_tensor *t, float *values)
{
    const bad_tensor *b = arg;
    if (strcmp(t->name, b->name) != 0)
        return true;
    if (b->how == RENAME)
        t->name = b->to;
    if (b->how == FEWER_ROWS)
        t->shape[1] -= 1;
    if (b->how == FEWER_COLS)
        t->shape[0] -= 32;
    if (b->how == AS_TYPE)
        t->type = b->type;
    if (b->how == SET_VALUE)
        values[1] = b->value;
    return b->how != LEAVE_OUT;
}

CHECK_TEST(model, tensors_that_do_not_fit_are_refused_by_name)
{
    static const bad_tensor bad[] = {
        {"token_embd.weight", LEAVE_OUT, 0, 0, 0, NB_FORMAT, "missing"},
        {"output_norm.weight", LEAVE_OUT, 0, 0, 0, NB_FORMAT, "output_norm.weight"},
        {"blk.0.ffn_up.weight", LEAVE_OUT, 0, 0, 0, NB_FORMAT, "blk.0.ffn_up.weight"},
        {"blk.0.ffn_up.weight", RENAME, "blk.0.ffn_uq.weight", 0, 0, NB_FORMAT, "ffn_up"},
        {"output.weight", RENAME, "blk.0.attn_q_norm.weight", 0, 0, NB_UNSUPPORTED, "attn_q_norm"},
        {"output.weight", RENAME, "blk.9.attn_q.weight", 0, 0, NB_UNSUPPORTED, "blk.9"},
        {"output.weight", RENAME, "blk.99999999999.attn_q.weight", 0, 0, NB_UNSUPPORTED, "blk.9"},
        {"output.weight", RENAME, "stranger", 0, 0, NB_UNSUPPORTED, "stranger"},
        {"blk.0.attn_v.weight", FEWER_ROWS, 0, 0, 0, NB_FORMAT, "attn_v"},
        {"blk.0.ffn_down.weight", FEWER_COLS, 0, 0, 0, NB_FORMAT, "ffn_down"},
        {"blk.0.attn_norm.weight", FEWER_COLS, 0, 0, 0, NB_FORMAT, "attn_norm"},
        {"output.weight", FEWER_ROWS, 0, 0, 0, NB_FORMAT, "output.weight"},
        {"rope_freqs.weight", SET_VALUE, 0, 0, 0, NB_FORMAT, "rope_freqs"},
        {"rope_freqs.weight", SET_VALUE, 0, 0, NAN, NB_FORMAT, "rope_freqs"},
        {"rope_freqs.weight", SET_VALUE, 0, 0, INFINITY, NB_FORMAT, "rope_freqs"},
        {"output.weight", LEAVE_OUT, 0, 0, 0, NB_OK, ""}, /* tied then */
        {"blk.0.attn_norm.weight", AS_TYPE, 0, NK_F16, 0, NB_OK, ""},
        {"output_norm.weight", AS_TYPE, 0, NK_BF16, 0, NB_OK, ""},
        {"blk.0.ffn_norm.weight", AS_TYPE, 0, NK_Q8_0, 0, NB_OK, ""},
    };
    tiny t = one_layer();
    t.rope_freqs = true;
    for (size_t i = 0; i < countof(bad); i++) {
        bad_tensor b = bad[i];
        tiny_hooks hooks = {.tensor = spoil_tensor, .arg = &b};
        nb_err err = {0};
        nb_status status = open_with(&t, &hooks, &err);
        check(status == b.status, "row %zu (%s): status %d, %s", i, b.name, status, err.msg);
        check(strstr(err.msg, b.says), "row %zu: \"%s\" does not say %s", i, err.msg, b.says);
    }
}

static bool drop_tensor(void *arg, nb_tensor *t, float *values)
{
    (void)arg, (void)t, (void)values;
    return false;
}

/* Vocabularies are published as GGUF files without tensors. */
CHECK_TEST(model, a_file_without_weights_is_called_so)
{
    tiny t = one_layer();
    tiny_hooks hooks = {.tensor = drop_tensor};
    nb_err err = {0};
    nb_status status = open_with(&t, &hooks, &err);
    check(status == NB_UNSUPPORTED && strstr(err.msg, ".gguf: keys alone"), "status %d, %s", status,
          err.msg);
}

CHECK_TEST(model, gguf_weights_are_used_where_they_lie)
{
    tiny t = tiny_default();
    const char *path = test_path(test_tmpdir(), "inplace.gguf");
    nb_weights *w = NULL;
    nb_model *m = NULL;
    nb_err err;
    t.type = NK_Q4_0;
    tiny_write(path, &t, NULL);
    check(nb_weights_open(&w, path, &err) == NB_OK, "%s", err.msg);
    check(nb_model_open(&m, w, &err) == NB_OK, "%s", err.msg);
    check(!m->unpacked, "nothing was copied");
    uint64_t bytes = 0;
    for (size_t i = 0; i < nb_weights_count(w); i++) {
        const nb_tensor *tensor = &nb_weights_at(w, i)->t;
        bool embd = strcmp(tensor->name, "token_embd.weight") == 0;
        bool global_norm = strcmp(tensor->name, "output_norm.weight") == 0;
        bytes += embd || global_norm ? 0 : tensor->nbytes;
    }
    check(m->weight_bytes == bytes, "%llu bytes a token, expected %llu",
          (unsigned long long)m->weight_bytes, (unsigned long long)bytes);
    check(m->layer[1].w[NB_FFN_UP].data == nb_weights_find(w, "blk.1.ffn_up.weight")->t.bytes,
          "in place");
    check(m->hp.n_head_kv == 2 && m->hp.head_dim == 64 && m->hp.n_rot == 64 && !m->hp.tied, "keys");
    check(fabsf(m->rope_freq[NB_TURNS_MAIN][16] - 0.01f) < 1e-8f, "10000^(-32/64): %g",
          (double)m->rope_freq[NB_TURNS_MAIN][16]);
    nb_model_close(&m);
    nb_weights_close(&w);
}

static bool set_factor(void *arg, nb_tensor *t, float *values)
{
    if (strcmp(t->name, "rope_freqs.weight") == 0)
        for (uint64_t i = 0; i < t->shape[0]; i++)
            values[i] = *(const float *)arg;
    return true;
}

/* Positions twice as far apart and angles halved are the same model: both ways of scaling. */
CHECK_TEST(model, rope_scaling_divides_the_angles)
{
    tiny t = tiny_default();
    float factor = 2;
    bad_key key = {"llama.rope.scaling.factor", FLOAT, 4, 0, NB_OK, ""};
    tiny_hooks hooks = {.keys = spoil_key, .tensor = set_factor, .arg = NULL};
    const char *path = test_path(test_tmpdir(), "rope.gguf");
    for (int both = 0; both < 2; both++) {
        nb_weights *w = NULL;
        nb_model *m = NULL;
        nb_err err;
        t.rope_freqs = both;
        hooks = both ? (tiny_hooks){.tensor = set_factor, .arg = &factor}
                     : (tiny_hooks){.keys = spoil_key, .arg = &key};
        tiny_write(path, &t, &hooks);
        check(nb_weights_open(&w, path, &err) == NB_OK, "%s", err.msg);
        check(nb_model_open(&m, w, &err) == NB_OK, "%s", err.msg);
        float want = both ? 0.5f : 0.25f;
        check(m->rope_freq[NB_TURNS_MAIN][0] == want, "%g", (double)m->rope_freq[NB_TURNS_MAIN][0]);
        nb_model_close(&m);
        nb_weights_close(&w);
    }
}

CHECK_TEST(model, tied_output_reads_the_embedding)
{
    nb_weights *w[2] = {0};
    nb_model *m[2] = {0};
    nb_session *s[2] = {0};
    nk_ops ops;
    nb_err err;
    nk_ops_init(&ops, 0);
    for (int i = 0; i < 2; i++) {
        tiny t = tiny_default();
        t.tied = i;
        const char *path = test_path(test_tmpdir(), i ? "tied.gguf" : "untied.gguf");
        tiny_write(path, &t, NULL);
        check(nb_weights_open(&w[i], path, &err) == NB_OK, "%s", err.msg);
        check(nb_model_open(&m[i], w[i], &err) == NB_OK, "%s", err.msg);
    }
    check(m[1]->hp.tied && m[1]->weight_bytes == m[0]->weight_bytes, "same bytes per token");
    m[0]->global[NB_OUTPUT] = m[0]->global[NB_TOKEN_EMBD]; /* the untied one, tied by hand */
    for (int i = 0; i < 2; i++) {
        const int32_t ids[] = {5, 6, 7};
        check(nb_session_open(&s[i], m[i], &ops, NULL, NULL, &err) == NB_OK, "%s", err.msg);
        check(nb_session_feed(s[i], ids, 3, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    }
    check(memcmp(nb_session_logits(s[0]), nb_session_logits(s[1]), 300 * sizeof(float)) == 0,
          "bits");
    for (int i = 0; i < 2; i++) {
        nb_session_close(&s[i]);
        nb_model_close(&m[i]);
        nb_weights_close(&w[i]);
    }
}
