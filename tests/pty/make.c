#include "tests/pty/make.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/eval/synth.h"
#include "core/files/gguf.h"
#include "core/files/weights.h"
#include "kernels/cpu.h"
#include "tests/pty/pty.h"
#include "tests/util.h"

static const nb_shape shape = {.name = "big",
                               .arch = "llama",
                               .n_layer = 8,
                               .n_embd = 1024,
                               .n_head = 16,
                               .n_head_kv = 4,
                               .head_dim = 64,
                               .n_ff = 2816,
                               .n_vocab = 2048,
                               .n_ctx = 1024,
                               .rope_base = 1e4f,
                               .rms_eps = 1e-5f,
                               .tied = false};

static void synth(const char *dir, const char *name, const char *preset, nk_pool *pool)
{
    nk_ops ops;
    nb_recipe r;
    uint64_t bytes;
    nb_err err = {0};
    nk_ops_init(&ops, nk_cpu_detect());
    nb_recipe_init(&r, nb_preset_find(preset));
    nb_status st =
        nb_synth_write(&shape, &r, 9, test_path(dir, name), true, &ops, pool, &bytes, NULL, &err);
    pty_check(st == NB_OK, "%s: %s", name, err.msg);
}

const char *make_big(void)
{
    static char dir[512];
    nk_pool *pool = NULL;
    if (dir[0])
        return dir;
    const char *folder = pty_folder("big");
    pty_check(nk_pool_open(&pool, 2, NULL) == NB_OK, "no threads");
    synth(folder, "big.gguf", "F16", pool);
    synth(folder, "middle.gguf", "Q5_0", pool);
    synth(folder, "middling.gguf", "Q4_0", pool);
    synth(folder, "small.gguf", "Q8_0", pool);
    nk_pool_close(&pool);
    snprintf(dir, sizeof dir, "%s", folder);
    return dir;
}

static void quantize_demo(const char *preset, const char *out)
{
    pty p = {0};
    const char *const argv[] = {pty_program, "quantize", "demo", "-t", preset, "-o", out, NULL};
    pty_start(&p, &(pty_options){.w = 120}, argv);
    pty_check(pty_wait_end(&p, 30000) && p.status == 0, "%s: %s", preset, vt_row(&p.screen, 0));
    pty_close(&p);
}

const char *make_demos(void)
{
    static const char *const presets[] = {"Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M"};
    static char dir[512];
    char name[32];
    if (dir[0])
        return dir;
    const char *folder = pty_folder("demos");
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        snprintf(name, sizeof name, "%s.gguf", presets[i]);
        quantize_demo(presets[i], test_path(folder, name));
    }
    snprintf(dir, sizeof dir, "%s", folder);
    return dir;
}

const char *make_payload(int i, char out[64])
{
    static const char *const heads[] = {"\x1b",     "\xc2\x9b", "\x1b\x1b", "\xc2\x90", "\x1bP",
                                        "\xc2\x9d", "\r\x1b",   "\b\x1b",   "\x07\x1b", "\x0e\x1b"};
    static const char *const bodies[] = {"[2J",
                                         "[H",
                                         "[31m",
                                         "[?1049h",
                                         "[?1000h",
                                         "[6n",
                                         "[c",
                                         "]0;owned\x07",
                                         "]52;c;cm0gLXJm\x07",
                                         "]8;;http:x\x1b\\a\x1b]8;;\x1b\\",
                                         "P$q\"p\x1b\\",
                                         "_Gf=100\x1b\\",
                                         "^pm\x1b\\",
                                         "c",
                                         "#8",
                                         "(0",
                                         "\xe2\x80\xae"
                                         "O",
                                         "\xe2\x80\x8b=",
                                         "\xf3\xa0\x81\x81>",
                                         "\xff\xfe",
                                         "7",
                                         "8",
                                         "D",
                                         "M",
                                         "[1;1H\x1b[J",
                                         "[4i",
                                         "[21t",
                                         "[>c",
                                         "]4;1;?\x07",
                                         "]11;?\x07"};
    snprintf(out, 64, "%s%s", heads[i / 30 % 10], bodies[i % 30]);
    return out;
}

static void put_u64(nb_str *s, uint64_t v)
{
    for (int i = 0; i < 8; i++, v >>= 8)
        nb_str_addn(s, &(char){(char)(v & 255)}, 1);
}

/* Token i: control and byte tokens keep their text; others alternate between a payload and the
 * first or second half of a wide character. Each stays unlike the others. */
static void add_token(nb_str *out, uint64_t i, const char *was, size_t n)
{
    char payload[64], text[96];
    if (i < 264) {
        put_u64(out, n);
        nb_str_addn(out, was, n);
        return;
    }
    if (i % 3 == 0)
        snprintf(text, sizeof text, "%x\xe6\x97", (unsigned)i);
    else if (i % 3 == 1)
        snprintf(text, sizeof text, "\xa5%x", (unsigned)i);
    else
        snprintf(text, sizeof text, "%s%x", make_payload((int)(i % MAKE_PAYLOADS), payload),
                 (unsigned)i);
    put_u64(out, strlen(text));
    nb_str_add(out, text);
}

static void poison(nb_kvs *out, const nb_kvs *kvs)
{
    char name[64], payload[64];
    for (size_t i = 0; i < nb_kvs_count(kvs); i++)
        pty_check(nb_kvs_put(out, nb_kvs_at(kvs, i), false, NULL) == NB_OK, "key %zu", i);
    const nb_kv *old = nb_kvs_find(kvs, "tokenizer.ggml.tokens");
    pty_check(old && old->elem == NB_KV_STRING, "no tokens");
    nb_str bytes = {0};
    const uint8_t *at = NULL;
    const char *s;
    size_t n;
    for (uint64_t i = 0; nb_kv_next_string(old, &at, &s, &n); i++)
        add_token(&bytes, i, s, n);
    nb_kv kv = *old;
    kv.v.bytes = (const uint8_t *)bytes.at;
    kv.nbytes = bytes.len;
    pty_check(nb_kvs_put(out, &kv, true, NULL) == NB_OK, "tokens");
    nb_str_free(&bytes);
    for (int i = 0; i < MAKE_PAYLOADS; i++) {
        make_payload(i, payload);
        snprintf(name, sizeof name, "test.payload.%d", i);
        pty_check(nb_kvs_put_str(out, name, payload, strlen(payload), NULL) == NB_OK, "%s", name);
    }
    make_payload(8, payload);
    pty_check(nb_kvs_put_str(out, "general.name", payload, strlen(payload), NULL) == NB_OK, "name");
}

static void write_model(const char *path, const nb_weights *w, const nb_kvs *kvs)
{
    size_t n = nb_weights_count(w);
    uint64_t len;
    nb_str head = {0};
    nb_err err = {0};
    nb_tensor *t = calloc(n, sizeof *t);
    for (size_t i = 0; i < n; i++)
        t[i] = nb_weights_at(w, i)->t;
    pty_check(nb_gguf_layout(&head, kvs, t, n, 32, &len, &err) == NB_OK, "%s", err.msg);
    char *bytes = calloc(1, len);
    memcpy(bytes, head.at, head.len);
    for (size_t i = 0; i < n; i++)
        memcpy(bytes + t[i].offset, nb_weights_row(nb_weights_at(w, i), 0, NULL), t[i].nbytes);
    test_spit(path, bytes, len);
    free(bytes);
    free(t);
    nb_str_free(&head);
}

const char *make_hostile(void)
{
    static char path[512];
    nb_weights *w = NULL;
    nb_kvs *kvs = NULL;
    nb_err err = {0};
    if (path[0])
        return path;
    const char *dir = pty_folder("hostile-words"), *plain = test_path(dir, "plain.gguf");
    quantize_demo("Q8_0", plain);
    pty_check(nb_weights_open(&w, plain, &err) == NB_OK, "%s", err.msg);
    pty_check(nb_kvs_open(&kvs, &err) == NB_OK, "%s", err.msg);
    poison(kvs, nb_weights_kvs(w));
    write_model(test_path(dir, "words.gguf"), w, kvs);
    nb_kvs_close(&kvs);
    nb_weights_close(&w);
    unlink(plain);
    snprintf(path, sizeof path, "%s", test_path(dir, "words.gguf"));
    return path;
}
