/* Files cut short: what the parsers say of every cut in memory, and what opening and quantizing say
 * of real ones: "needs X bytes, file has Y", and nothing left behind (A9). */
#include "tests/check.h"

#include "core/base/file.h"
#include "core/base/job.h"
#include "core/files/gguf.h"
#include "kernels/cpu.h"
#include "tests/gguf_file.h"
#include "tests/hf_folder.h"
#include "tests/quantize.h"
#include "tests/util.h"
#include "tui/commands/opt.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Every cut of a file in memory, and its beginning as a header that was not brought whole. */
CHECK_TEST(gguf, refuses_every_truncation)
{
    gg_file f;
    gg_build(&f);
    for (size_t n = 0; n < f.bytes.len; n++) {
        nb_gguf_info info;
        uint8_t *copy;
        nb_err err;
        nb_status st = gg_parse(&info, &copy, f.bytes.at, n, n, &err);
        check(st == NB_FORMAT && strstr(err.msg, "needs"), "cut at %zu: %d %s", n, st, err.msg);
        free(copy);
        if (n >= f.at[GG_DATA])
            continue;
        /* the same bytes as the start of a whole file: the header must ask for more, unless only
         * padding is missing */
        st = gg_parse(&info, &copy, f.bytes.at, n, f.bytes.len, &err);
        if (st == NB_OK) {
            check(n >= f.at[GG_T1_OFFSET] + 8 && !info.tensors[0].bytes, "cut at %zu was enough",
                  n);
            nb_gguf_free(&info);
        } else {
            check(st == NB_MORE && strstr(err.msg, "header needs more than"), "cut at %zu: %s", n,
                  err.msg);
        }
        free(copy);
    }
    nb_str_free(&f.bytes);
}

/* The list of tensors is asked for whole before its first name; long names and four dimensions let
 * every field of the last tensor be the one that is missing. */
CHECK_TEST(gguf, refuses_a_tensor_list_cut_in_any_field)
{
    nb_str s = {0};
    nb_str_add(&s, "GGUF");
    gg_int(&s, 3, 4);
    gg_int(&s, 2, 8);
    gg_int(&s, 0, 8);
    for (int i = 0; i < 2; i++) {
        gg_text(&s, i ? "b" : "a-name-of-sixty-three-bytes-which-is-the-longest-a-file-can-hav");
        gg_int(&s, 4, 4);
        for (int d = 0; d < 4; d++)
            gg_int(&s, d ? 1 : 8, 8);
        gg_int(&s, NK_F32, 4);
        gg_int(&s, 32ull * i, 8);
    }
    nb_gguf_info info;
    uint8_t *copy;
    nb_err err;
    for (size_t n = 24; n < s.len; n++) {
        nb_status st = gg_parse(&info, &copy, s.at, n, n, &err);
        check(st == NB_FORMAT && strstr(err.msg, "needs"), "cut at %zu: %d %s", n, st, err.msg);
        free(copy);
    }
    check(gg_parse(&info, &copy, s.at, s.len, s.len + 96, &err) == NB_OK, "%s", err.msg);
    nb_gguf_free(&info);
    free(copy);
    nb_str_free(&s);
}

/* --- models of each container ---------------------------------------------------------------- */

enum { DATA_POINTS = 200, MOST_FILES = 3 };

typedef struct model {
    char path[700]; /* what is opened */
    char file[MOST_FILES][700];
    size_t header[MOST_FILES]; /* bytes before the data */
    size_t n_files;
    bool runs; /* the whole model can be quantized: not so without a config beside it */
} model;

static void add_file(model *m, const char *path, size_t header)
{
    snprintf(m->file[m->n_files], sizeof m->file[0], "%s", path);
    m->header[m->n_files++] = header;
}

static const char *small_gguf(void)
{
    static const nb_shape shape = {.name = "small",
                                   .arch = "llama",
                                   .n_layer = 1,
                                   .n_embd = 64,
                                   .n_head = 2,
                                   .n_head_kv = 1,
                                   .head_dim = 32,
                                   .n_ff = 96,
                                   .n_vocab = 280,
                                   .n_ctx = 64,
                                   .rope_base = 1e4f,
                                   .rms_eps = 1e-5f,
                                   .tied = true};
    static char path[600];
    nb_recipe r;
    uint64_t bytes;
    nb_err err = {0};
    snprintf(path, sizeof path, "%s/whole.gguf", test_tmpdir());
    nb_recipe_init(&r, nb_preset_find("BF16"));
    check(nb_synth_write(&shape, &r, 9, path, true, quant_ops(), NULL, &bytes, NULL, &err) == NB_OK,
          "%s", err.msg);
    return path;
}

static void make_gguf(model *m)
{
    nb_weights *w = quant_open(small_gguf());
    snprintf(m->path, sizeof m->path, "%s", nb_weights_path(w));
    add_file(m, nb_weights_path(w), (size_t)nb_weights_at(w, 0)->t.offset);
    m->runs = true;
    nb_weights_close(&w);
}

/* Tensors from..to of w as one of three shards; the first has the keys. */
static size_t write_shard(const nb_weights *w, size_t from, size_t to, unsigned no,
                          const char *path)
{
    nb_kvs *kvs;
    nb_str head = {0};
    uint64_t len;
    nb_err err = {0};
    nb_tensor t[64];
    check(nb_kvs_open(&kvs, NULL) == NB_OK && to - from <= countof(t), "%zu tensors", to - from);
    for (size_t i = 0; no == 0 && i < nb_kvs_count(nb_weights_kvs(w)); i++)
        nb_kvs_put(kvs, nb_kvs_at(nb_weights_kvs(w), i), true, NULL);
    nb_kvs_put(kvs, &(nb_kv){.key = "split.no", .type = NB_KV_U16, .v.u = no}, true, NULL);
    nb_kvs_put(kvs, &(nb_kv){.key = "split.count", .type = NB_KV_U16, .v.u = 3}, true, NULL);
    for (size_t i = from; i < to; i++)
        t[i - from] = nb_weights_at(w, i)->t;
    check(nb_gguf_layout(&head, kvs, t, to - from, 32, &len, &err) == NB_OK, "%s", err.msg);
    char *bytes = calloc(1, len);
    memcpy(bytes, head.at, head.len);
    for (size_t i = from; i < to; i++)
        memcpy(bytes + t[i - from].offset, nb_weights_at(w, i)->t.bytes, t[i - from].nbytes);
    test_spit(path, bytes, len);
    free(bytes);
    size_t header = head.len;
    nb_str_free(&head);
    nb_kvs_close(&kvs);
    return header;
}

static void make_split(model *m)
{
    nb_weights *w = quant_open(small_gguf());
    size_t n = nb_weights_count(w);
    for (unsigned i = 0; i < 3; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/s-%05u-of-00003.gguf", test_tmpdir(), i + 1);
        add_file(m, path, write_shard(w, i * n / 3, (i + 1) * n / 3, i, path));
    }
    snprintf(m->path, sizeof m->path, "%s", m->file[1]);
    m->runs = true;
    nb_weights_close(&w);
}

static void add_safetensors(model *m, const char *path)
{
    size_t n;
    uint64_t header;
    char *bytes = test_slurp(path, &n);
    check(bytes, "%s", path);
    memcpy(&header, bytes, sizeof header);
    add_file(m, path, 8 + (size_t)header);
    free(bytes);
}

static void make_safetensors(model *m)
{
    hf_folder f = hf_model_make("alone", 1);
    unlink(test_path(f.dir, "config.json"));
    const char *path = test_path(f.dir, "model.safetensors");
    snprintf(m->path, sizeof m->path, "%s", path);
    add_safetensors(m, path);
}

static void make_folder(model *m)
{
    hf_folder f = hf_model_make("folder", 1);
    snprintf(m->path, sizeof m->path, "%s", f.dir);
    add_safetensors(m, test_path(f.dir, "model.safetensors"));
    m->runs = true;
}

static void make_sharded(model *m)
{
    hf_folder f = hf_model_make("sharded", 2);
    snprintf(m->path, sizeof m->path, "%s", f.dir);
    add_safetensors(m, test_path(f.dir, "model-1.safetensors"));
    add_safetensors(m, test_path(f.dir, "model-2.safetensors"));
    m->runs = true;
}

/* --- cuts ------------------------------------------------------------------------------------ */

/* `nibble quantize MODEL -t Q8_0 -o OUT --force`, without its words on success. */
static nb_status quantize(const char *path, const char *out, nb_err *err)
{
    char input[700], output[700], type[] = "-tQ8_0", o[] = "-o", force[] = "--force";
    char *args[] = {input, type, o, output, force};
    static ui_ctx ctx;
    ui_parsed p;
    snprintf(input, sizeof input, "%s", path);
    snprintf(output, sizeof output, "%s", out);
    *err = (nb_err){.msg = ""};
    check(ui_parse(&p, &ui_cmd_quantize, countof(args), args, err) == NB_OK, "%s", err->msg);
    ctx = (ui_ctx){.threads = 1,
                   .quiet = true,
                   .force = true,
                   .opt = p.opt,
                   .args = p.args,
                   .n_args = p.n_args};
    nk_ops_init(&ctx.ops, nk_cpu_detect());
    fflush(stdout);
    int was = dup(STDOUT_FILENO), null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    nb_status st = ui_cmd_quantize.run(&ctx, err);
    fflush(stdout);
    dup2(was, STDOUT_FILENO);
    close(was);
    close(null);
    ui_parsed_free(&p);
    return st;
}

/* "... needs X bytes [at Y], [file] has Z": Z is the file's length and X, from Y on, is more. */
static void names_both(const nb_err *err, const char *file, size_t has)
{
    const char *needs = strstr(err->msg, "needs "), *says = strstr(err->msg, "has ");
    unsigned long long need = 0, at = 0;
    check(strstr(err->msg, file) == err->msg, "%s cut to %zu: %s", file, has, err->msg);
    if (has == 0 && strstr(err->msg, "is empty"))
        return;
    check(needs && says, "cut to %zu: %s", has, err->msg);
    need = strtoull(needs + 6, NULL, 10);
    if ((needs = strstr(needs, "bytes at ")))
        at = strtoull(needs + 9, NULL, 10);
    check(need + at > has && strtoull(says + 4, NULL, 10) == has, "cut to %zu: %s", has, err->msg);
}

/* The old output stands untouched or, where there was none, there is none; never a partial file. */
static void nothing_left(const char *out, bool old)
{
    size_t n = 0;
    char *text = test_slurp(out, &n);
    check(!old == !text && (!old || (n == 3 && memcmp(text, "old", 3) == 0)), "the output changed");
    free(text);
    check(quant_count(test_tmpdir(), ".part") == 0, "a partial file is left");
}

static void cut(const model *m, size_t file, size_t n, bool and_quantize)
{
    nb_weights *w = NULL;
    nb_err err = {.msg = ""};
    const char *out = test_path(test_tmpdir(), "cut-out.gguf");
    check(truncate(m->file[file], (off_t)n) == 0, "truncate %s", m->file[file]);
    check(nb_weights_open(&w, m->path, &err) == NB_FORMAT && !w, "%s cut to %zu: %s", m->file[file],
          n, err.msg);
    names_both(&err, m->file[file], n);
    if (!and_quantize)
        return;
    bool old = n % 2;
    if (old)
        test_spit(out, "old", 3);
    check(quantize(m->path, out, &err) == NB_FORMAT, "%s cut to %zu: %s", m->file[file], n,
          err.msg);
    names_both(&err, m->file[file], n);
    nothing_left(out, old);
    unlink(out);
}

/* One file from its end to nothing: `points` places in the data, every place in the header, of
 * which one in 16 and the first and last 32 are quantized, too. */
static size_t cut_file(const model *m, size_t file, size_t points, test_rng *rng)
{
    size_t whole, header = m->header[file], quantized = points;
    char *bytes = test_slurp(m->file[file], &whole);
    check(bytes && whole > header + points, "%s: %zu bytes", m->file[file], whole);
    for (size_t i = points; i-- > 0;) {
        size_t from = i * (whole - header) / points, to = (i + 1) * (whole - header) / points;
        cut(m, file, header + from + test_below(rng, (uint32_t)(to - from)), true);
    }
    for (size_t n = header; n-- > 0;) {
        bool both = n < 32 || n + 32 >= header || test_below(rng, 16) == 0;
        cut(m, file, n, both);
        quantized += both;
    }
    test_spit(m->file[file], bytes, whole);
    free(bytes);
    return quantized;
}

static void cut_everywhere(void (*make)(model *m), const char *what)
{
    static model m;
    nb_err err;
    size_t quantized = 0, opened = 0;
    const char *out = test_path(test_tmpdir(), "cut-out.gguf");
    test_rng rng = test_rng_make(9);
    double start = nb_now();
    m = (model){.n_files = 0};
    make(&m);
    for (size_t i = 0; i < m.n_files; i++) {
        size_t points = (DATA_POINTS + m.n_files - 1) / m.n_files;
        quantized += cut_file(&m, i, points, &rng);
        opened += points + m.header[i];
    }
    fprintf(stderr, "%s: %zu cuts opened, %zu of them quantized, %.2f s\n", what, opened, quantized,
            nb_now() - start);
    if (!m.runs)
        return;
    check(quantize(m.path, out, &err) == NB_OK, "whole again: %s", err.msg);
    unlink(out);
}

CHECK_TEST(cut, a_gguf_file_says_what_it_needs_and_has_a9)
{
    cut_everywhere(make_gguf, "gguf");
}

CHECK_TEST(cut, a_split_gguf_says_what_it_needs_and_has_a9)
{
    cut_everywhere(make_split, "gguf in shards");
}

CHECK_TEST(cut, a_safetensors_file_says_what_it_needs_and_has_a9)
{
    cut_everywhere(make_safetensors, "safetensors");
}

CHECK_TEST(cut, a_folder_says_what_it_needs_and_has_a9)
{
    cut_everywhere(make_folder, "folder");
}

CHECK_TEST(cut, a_folder_of_shards_says_what_it_needs_and_has_a9)
{
    cut_everywhere(make_sharded, "folder of shards");
}

/* --- while it is read (A9, A19) -------------------------------------------------------------- */

typedef struct cutter {
    const char *file;
    size_t to;
    int polls, when; /* the poll that cuts: 0 before the first tile, 1 inside it */
} cutter;

static bool cut_at_a_poll(void *ud)
{
    cutter *c = ud;
    if (c->polls++ == c->when)
        check(truncate(c->file, (off_t)c->to) == 0, "truncate %s", c->file);
    return false;
}

/* A model opened whole is cut at a place in one of its files, at a poll of the run. */
static void shrink(const model *m, size_t file, size_t to, int when)
{
    const char *out = test_path(test_tmpdir(), "shrunk-out.gguf");
    cutter c = {.file = m->file[file], .to = to, .when = when};
    nb_hooks hooks = {.canceled = cut_at_a_poll, .ud = &c};
    nb_err err = {.msg = ""};
    size_t n;
    char *bytes = test_slurp(m->file[file], &n);
    check(bytes && to < n, "%s", m->file[file]);
    nb_weights *w = quant_open(m->path);
    quant_job job = {.w = w, .preset = "Q8_0", .out = out, .hooks = &hooks};
    nb_status st = quant_run(&job, &err);
    check(c.polls > when, "only %d polls", c.polls);
    check(st == NB_IO && strstr(err.msg, "changed while it was read"), "%s cut to %zu: %s",
          m->file[file], to, err.msg);
    nothing_left(out, false);
    nb_weights_close(&w);
    test_spit(m->file[file], bytes, n);
    free(bytes);
}

CHECK_TEST(cut, a_source_that_shrinks_meanwhile_is_told_a9)
{
    static void (*const make[])(model * m) = {make_gguf, make_split, make_sharded};
    static model m;
    test_rng rng = test_rng_make(19);
    double start = nb_now();
    nb_map_guard_install();
    for (size_t i = 0; i < countof(make); i++) {
        m = (model){.n_files = 0};
        make[i](&m);
        for (int k = 0; k < DATA_POINTS; k++) {
            size_t file = test_below(&rng, (uint32_t)m.n_files), n = 0;
            free(test_slurp(m.file[file], &n));
            shrink(&m, file, test_below(&rng, (uint32_t)n), k % 2);
        }
    }
    fprintf(stderr, "cut while read: %d places, %.2f s\n", DATA_POINTS * (int)countof(make),
            nb_now() - start);
}
