#include "tests/arch_tiny.h"
#include "tests/check.h"
#include "tests/util.h"

#include "core/base/json.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- names ----------------------------------------------------------------------------------- */

enum { MAX_NAMES = 64 };

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t arch_tiny_names(const char *const **names)
{
    static char text[MAX_NAMES][40];
    static const char *list[MAX_NAMES];
    size_t n = 0;
    struct dirent *e;
    DIR *d = opendir(test_data("arch"));
    check(d, "%s cannot be listed", test_data("arch"));
    while ((e = readdir(d))) {
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || strcmp(dot, ".json") != 0)
            continue;
        check(n < MAX_NAMES, "more than %d models", MAX_NAMES);
        snprintf(text[n], sizeof text[n], "%.*s", (int)(dot - e->d_name), e->d_name);
        list[n] = text[n];
        n++;
    }
    closedir(d);
    qsort(list, n, sizeof *list, by_text);
    *names = list;
    return n;
}

/* Whole file tests/data/arch/NAME + suffix, terminated. */
static char *data_file(const char *name, const char *suffix, size_t *n)
{
    char path[128];
    snprintf(path, sizeof path, "arch/%s%s", name, suffix);
    char *text = test_slurp(test_data(path), n);
    check(text, "%s cannot be read", path);
    return text;
}

static void read_row(arch_tiny_row *row, const char *line)
{
    int used = 0, step;
    check(sscanf(line, "%63s %d %d%n", row->name, &row->offset, &row->shift, &used) == 3, "%s",
          line);
    row->n_dims = 0;
    row->count = 1;
    for (const char *p = line + used;
         row->n_dims < NB_MAX_DIMS &&
         sscanf(p, " %" SCNu64 "%n", &row->dim[row->n_dims], &step) == 1;
         p += step)
        row->count *= row->dim[row->n_dims++];
    check(row->n_dims > 0, "%s", line);
}

void arch_tiny_list(arch_tiny *out, const char *name)
{
    size_t n;
    char *text = data_file(name, ".tensors", &n), *save = NULL;
    *out = (arch_tiny){0};
    char *line = strtok_r(text, "\n", &save);
    check(line && sscanf(line, "seed %" SCNu64, &out->seed) == 1, "%s.tensors: no seed", name);
    while ((line = strtok_r(NULL, "\n", &save))) {
        check(out->n < ARCH_TINY_TENSORS, "%s: more than %d tensors", name, ARCH_TINY_TENSORS);
        read_row(&out->row[out->n++], line);
    }
    free(text);
}

/* --- weights: tests/reference/weights.py, step by step ---------------------------------------- */

static uint64_t fnv1a64(const char *text)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 0x100000001B3u;
    return h;
}

static uint64_t splitmix64(uint64_t x)
{
    uint64_t z = x + 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

void arch_tiny_values(const arch_tiny_row *row, uint64_t seed, float *out)
{
    uint64_t start = fnv1a64(row->name) + (seed << 32);
    float step = ldexpf(1, row->shift);
    for (uint64_t i = 0; i < row->count; i++) {
        int64_t k = (int64_t)(splitmix64(start + i) >> 40);
        float u = (float)(k - (1 << 23)) * 0x1p-23f;
        out[i] = (float)row->offset + u * step;
    }
}

/* --- the folder ------------------------------------------------------------------------------- */

static void add_header(nb_str *json, const arch_tiny *list)
{
    uint64_t at = 0;
    nb_str_add(json, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < list->n; i++) {
        const arch_tiny_row *row = &list->row[i];
        nb_str_addf(json, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[", row->name);
        for (uint32_t d = 0; d < row->n_dims; d++)
            nb_str_addf(json, "%s%" PRIu64, d ? "," : "", row->dim[d]);
        nb_str_addf(json, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", at, at + 4 * row->count);
        at += 4 * row->count;
    }
    nb_str_add(json, "}");
    while (json->len % 8)
        nb_str_add(json, " "); /* as the safetensors library aligns its data */
}

static void put_weights(const char *path, const arch_tiny *list)
{
    nb_str head = {0}, file = {0};
    add_header(&head, list);
    uint64_t n = head.len;
    nb_str_addn(&file, &n, 8);
    nb_str_addn(&file, head.at, head.len);
    for (size_t i = 0; i < list->n; i++) {
        float *values = malloc(list->row[i].count * sizeof *values);
        check(values, "memory");
        arch_tiny_values(&list->row[i], list->seed, values);
        nb_str_addn(&file, values, list->row[i].count * sizeof *values);
        free(values);
    }
    test_spit(path, file.at, file.len);
    nb_str_free(&head);
    nb_str_free(&file);
}

/* ModelProto.pieces (1) {piece (1), score (2), type (3)}; all lengths below 128. */
static void add_piece(nb_str *out, const char *text, float score, int type)
{
    size_t n = strlen(text);
    const char head[] = {0x0A, (char)(n + 9), 0x0A, (char)n};
    const char tail[] = {0x18, (char)type};
    nb_str_addn(out, head, sizeof head);
    nb_str_addn(out, text, n);
    nb_str_add(out, "\x15");
    nb_str_addn(out, &score, 4);
    nb_str_addn(out, tail, sizeof tail);
}

/* Unknown, begin and end of text, 256 bytes, a space mark, letters, two joined pieces: 288. */
static void put_tokenizer(const char *path)
{
    enum { NORMAL = 1, UNKNOWN, CONTROL, BYTE = 6 };
    nb_str out = {0};
    char text[8];
    add_piece(&out, "<unk>", 0, UNKNOWN);
    add_piece(&out, "<s>", 0, CONTROL);
    add_piece(&out, "</s>", 0, CONTROL);
    for (int i = 0; i < 256; i++) {
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)i);
        add_piece(&out, text, 0, BYTE);
    }
    add_piece(&out, "\xE2\x96\x81", -1, NORMAL);
    for (int i = 0; i < 26; i++)
        add_piece(&out, (char[]){(char)('a' + i), 0}, (float)(-2 - i), NORMAL);
    add_piece(&out, "\xE2\x96\x81t", -28, NORMAL);
    add_piece(&out, "th", -29, NORMAL);
    test_spit(path, out.at, out.len);
    nb_str_free(&out);
}

void arch_tiny_make(const char *dir, const char *name)
{
    size_t n;
    char *config = data_file(name, ".json", &n);
    arch_tiny *list = calloc(1, sizeof *list);
    check(list, "memory");
    mkdir(dir, 0755);
    test_spit(test_path(dir, "config.json"), config, n);
    arch_tiny_list(list, name);
    put_weights(test_path(dir, "model.safetensors"), list);
    put_tokenizer(test_path(dir, "tokenizer.model"));
    free(list);
    free(config);
}

/* --- what is expected ------------------------------------------------------------------------- */

static double number(const nb_jval *root, const char *key)
{
    double x = 0;
    check(nb_jnum(nb_jget(root, key), &x), "golden: \"%s\" missing", key);
    return x;
}

static const char *golden_path(const char *name, const char *suffix)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/../golden/arch/%s%s", test_data(""), name, suffix);
    return path;
}

void arch_golden_open(arch_golden *out, const char *name)
{
    nb_json *doc = NULL;
    nb_err err = {.msg = ""};
    const char *sha = "";
    size_t bytes;
    check(nb_json_load(&doc, golden_path(name, ".json"), 1 << 20, &err) == NB_OK, "%s", err.msg);
    const nb_jval *root = nb_json_root(doc), *tokens = nb_jget(root, "tokens");
    *out = (arch_golden){.n_vocab = (size_t)number(root, "vocab"),
                         .n_first = (size_t)number(root, "q8_first"),
                         .n_last = (size_t)number(root, "q8_last"),
                         .scale = number(root, "scale"),
                         .q8_shift = number(root, "q8_shift")};
    check(nb_jlen(tokens) <= ARCH_TINY_TOKENS, "%zu tokens", nb_jlen(tokens));
    for (const nb_jval *t = nb_jfirst(tokens); t; t = nb_jnext(t)) {
        int64_t id = -1;
        check(nb_jint(t, &id) && id >= 0 && (size_t)id < out->n_vocab, "%s: token", name);
        out->token[out->n++] = (int32_t)id;
    }
    check(nb_jstr(nb_jget(root, "sha256"), &sha) && strlen(sha) == 64, "%s: sha256", name);
    memcpy(out->sha256, sha, 65);
    nb_json_close(&doc);
    out->logits = (float *)(void *)test_slurp(golden_path(name, ".logits"), &bytes);
    check(out->logits && bytes == 4 * (out->n + out->n_first + out->n_last) * out->n_vocab,
          "%s.logits: %zu bytes", name, bytes);
    out->q8 = out->logits + out->n * out->n_vocab;
}

void arch_golden_close(arch_golden *g)
{
    free(g->logits);
    *g = (arch_golden){0};
}
