#include "tests/hf_golden.h"

#include "core/base/str.h"
#include "tests/check.h"
#include "tests/hf_folder.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/fp.h"

/* --- reading ---------------------------------------------------------------------------------- */

static void replace(char out[128], const char *name, char mark, int number)
{
    const char *at = strchr(name, mark);
    if (!at)
        snprintf(out, 128, "%s", name);
    else
        snprintf(out, 128, "%.*s%d%s", (int)(at - name), name, number, at + 1);
}

/* "TYPE NAME DIM... [HOW FROM]" */
static hf_line line_of(char *text)
{
    hf_line l = {.dim = {1, 1, 1, 1}};
    char *save = NULL, *word = strtok_r(text, " \n", &save);
    snprintf(l.type, sizeof l.type, "%s", word);
    word = strtok_r(NULL, " \n", &save);
    snprintf(l.name, sizeof l.name, "%s", word);
    for (word = strtok_r(NULL, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
        if (!l.how[0] && *word >= '0' && *word <= '9' && l.n_dims < 4)
            l.dim[l.n_dims++] = strtoull(word, NULL, 10);
        else if (!l.how[0])
            snprintf(l.how, sizeof l.how, "%s", word);
        else
            snprintf(l.from, sizeof l.from, "%s", word);
    }
    return l;
}

static void add_lines(hf_line **list, size_t *n, char *text, int layers)
{
    hf_line l = line_of(text);
    int times = strchr(l.name, '*') ? layers : 1;
    *list = realloc(*list, (*n + (size_t)times) * sizeof **list);
    for (int i = 0; i < times; i++) {
        hf_line *at = &(*list)[(*n)++];
        *at = l;
        replace(at->name, l.name, '*', i);
        replace(at->from, l.from, '*', i);
    }
}

hf_golden hf_golden_read(const char *name)
{
    hf_golden g = {.stack = 0};
    char path[1024], *save = NULL;
    size_t n;
    int layers = 0;
    snprintf(path, sizeof path, "%s/tests/golden/hf/%s.txt", NB_TEST_ROOT, name);
    char *text = test_slurp(path, &n);
    check(text != NULL, "%s", path);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "config ", 7) == 0)
            snprintf(g.config, sizeof g.config, "%s", line + 7);
        else if (strncmp(line, "layers ", 7) == 0)
            layers = atoi(line + 7);
        else if (strncmp(line, "stack ", 6) == 0)
            g.stack = atoi(line + 6);
        else if (strncmp(line, "stored ", 7) == 0)
            add_lines(&g.stored, &g.n_stored, line + 7, layers);
        else if (strncmp(line, "tensor ", 7) == 0)
            add_lines(&g.tensor, &g.n_tensor, line + 7, layers);
        else if (strncmp(line, "key ", 4) == 0) {
            g.key = realloc(g.key, (g.n_key + 1) * sizeof *g.key);
            check(sscanf(line + 4, "%127s %127s", g.key[g.n_key][0], g.key[g.n_key][1]) == 2, "%s",
                  line);
            g.n_key++;
        } else {
            check(line[0] == '#', "%s: %s", path, line);
        }
    }
    free(text);
    return g;
}

void hf_golden_free(hf_golden *g)
{
    free(g->stored);
    free(g->tensor);
    free(g->key);
}

/* --- the folder ------------------------------------------------------------------------------- */

float hf_golden_value(const char *stored, uint64_t i)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *stored; stored++)
        h = (h ^ (uint8_t)*stored) * 0x100000001b3u;
    h = (h + i) * 0x9e3779b97f4a7c15u;
    return (float)((int)(h >> 40 & 255) - 128) / 64.0f;
}

static size_t put_values(uint8_t *out, const hf_line *l, const char *name)
{
    uint64_t n = l->dim[0] * l->dim[1] * l->dim[2] * l->dim[3];
    for (uint64_t i = 0; i < n; i++) {
        float f = hf_golden_value(name, i);
        uint16_t h = strcmp(l->type, "F16") == 0 ? nk_f32_to_f16(f) : nk_f32_to_bf16(f);
        if (strcmp(l->type, "F32") == 0)
            memcpy(out + 4 * i, &f, 4);
        else
            memcpy(out + 2 * i, &h, 2);
    }
    return (size_t)n * (strcmp(l->type, "F32") == 0 ? 4 : 2);
}

const char *hf_golden_folder(const hf_golden *g, const char *name)
{
    enum { MAX = 4 << 20 };
    static char dir[600];
    nb_str json = {0};
    uint8_t *data = calloc(1, MAX);
    size_t at = 0;
    hf_folder f = hf_folder_make(name, g->config);
    for (size_t i = 0; i < g->n_stored; i++) {
        const hf_line *l = &g->stored[i];
        for (int k = 0; k < (strchr(l->name, '#') ? g->stack : 1); k++) {
            char whole[128];
            replace(whole, l->name, '#', k);
            size_t n = put_values(data + at, l, whole);
            check(at + n < MAX, "%s", whole);
            nb_str_addf(&json, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", at ? "," : "{", whole,
                        l->type);
            for (int d = 0; d < l->n_dims; d++)
                nb_str_addf(&json, "%s%llu", d ? "," : "", (unsigned long long)l->dim[d]);
            nb_str_addf(&json, "],\"data_offsets\":[%zu,%zu]}", at, at + n);
            at += n;
        }
    }
    nb_str_add(&json, "}");
    hf_put_tensors(test_path(f.dir, "model.safetensors"), json.at, at);
    char *file = test_slurp(test_path(f.dir, "model.safetensors"), &(size_t){0});
    memcpy(file + 8 + json.len, data, at);
    test_spit(test_path(f.dir, "model.safetensors"), file, 8 + json.len + at);
    free(file);
    free(data);
    nb_str_free(&json);
    snprintf(dir, sizeof dir, "%s", f.dir);
    return dir;
}

/* --- formulas --------------------------------------------------------------------------------- */

static const hf_line *stored_line(const hf_golden *g, const char *name)
{
    for (size_t i = 0; i < g->n_stored; i++)
        if (strcmp(g->stored[i].name, name) == 0)
            return &g->stored[i];
    return NULL;
}

/* reshape(heads, 2, rows / heads / 2, cols).swapaxes(1, 2): walked in the order it is stored. */
static void permuted(const char *from, uint64_t rows, uint64_t cols, uint64_t heads, float *out)
{
    uint64_t half = rows / heads / 2, i = 0;
    for (uint64_t h = 0; h < heads; h++)
        for (uint64_t k = 0; k < 2; k++)
            for (uint64_t j = 0; j < half; j++)
                for (uint64_t c = 0; c < cols; c++)
                    out[((h * half + j) * 2 + k) * cols + c] = hf_golden_value(from, i++);
}

/* view(kv, heads / kv + 2, dim, cols): the queries of all groups, then keys, then values. */
static void falcon(const char *from, uint64_t rows, uint64_t cols, uint64_t heads, uint64_t kv,
                   float *out)
{
    uint64_t dim = rows / (heads + 2 * kv), per = heads / kv, i = 0;
    for (uint64_t group = 0; group < kv; group++)
        for (uint64_t slot = 0; slot < per + 2; slot++) {
            uint64_t head = slot < per    ? group * per + slot
                            : slot == per ? heads + group
                                          : heads + kv + group;
            for (uint64_t j = 0; j < dim * cols; j++)
                out[head * dim * cols + j] = hf_golden_value(from, i++);
        }
}

/* Matrices of a stored tensor [..][a][b] turned, or parted along an axis. */
static void parted(const hf_line *s, const char *how, float *out, uint64_t n)
{
    bool turned = strncmp(how, "turned", 6) == 0, half = strncmp(how, "half", 4) == 0;
    const char *colon = strchr(how, ':');
    uint64_t which = colon ? (uint64_t)(colon[1] - '0') : 0, two = colon ? 2 : 1;
    uint64_t a = s->dim[s->n_dims - 2], b = s->dim[s->n_dims - 1];
    uint64_t rows = turned ? b / two : half ? a / two : a, cols = turned ? a : half ? b : b / two;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t m = i / (rows * cols), r = i / cols % rows, c = i % cols, at;
        if (turned)
            at = c * b + r * two + which;
        else if (half)
            at = (which * rows + r) * b + c;
        else
            at = r * b + c * two + which;
        out[i] = hf_golden_value(s->name, m * a * b + at);
    }
}

/* The converter works in F32 and writes the stored type, here F16. */
static void ternary(const char *from, float *out, uint64_t n)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += fabs((double)hf_golden_value(from, i));
    float mean = (float)(sum / (double)n), inverse = 1 / mean;
    for (uint64_t i = 0; i < n; i++) {
        float q = nearbyintf(hf_golden_value(from, i) * inverse);
        out[i] = nk_f16_to_f32(nk_f32_to_f16(fmaxf(-1, fminf(1, q)) / inverse));
    }
}

/* Wavelengths between the two bounds of the golden's config (factor 8, 1 to 4, over 64). */
static void llama3(float *out, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        double wave = 2 * M_PI * pow(500000.0, (double)i / (double)n), t = (64 / wave - 1) / 3;
        out[i] = (float)(wave < 16 ? 1 : wave > 64 ? 8 : 1 / ((1 - t) / 8 + t));
    }
}

static void made(const char *values, float *out, uint64_t n)
{
    if (strcmp(values, "llama3") == 0) {
        llama3(out, n);
        return;
    }
    for (uint64_t i = 0; i < n; i++, values += strcspn(values, ",") + 1)
        out[i] = strtof(values, NULL);
}

void hf_golden_expect(const hf_golden *g, const hf_line *t, float *out, uint64_t n)
{
    const hf_line *s = stored_line(g, t->from);
    unsigned heads, kv;
    char name[128];
    if (strcmp(t->how, "made") == 0)
        made(t->from, out, n);
    else if (strcmp(t->how, "same") == 0)
        for (uint64_t i = 0; i < n; i++)
            out[i] = hf_golden_value(t->from, i);
    else if (strcmp(t->how, "plus1") == 0) /* sums of 1/64ths are exact in F16 too */
        for (uint64_t i = 0; i < n; i++)
            out[i] = hf_golden_value(t->from, i) + 1;
    else if (strcmp(t->how, "ternary") == 0)
        ternary(t->from, out, n);
    else if (sscanf(t->how, "permuted:%u", &heads) == 1)
        permuted(t->from, s->dim[0], s->dim[1], heads, out);
    else if (sscanf(t->how, "falcon:%u:%u", &heads, &kv) == 2)
        falcon(t->from, s->dim[0], s->dim[1], heads, kv, out);
    else if (strcmp(t->how, "stacked") == 0)
        for (uint64_t i = 0, last = t->dim[t->n_dims - 1], each = n / last; i < n; i++) {
            replace(name, t->from, '#', (int)(i / each));
            out[i] = hf_golden_value(name, i % each);
        }
    else
        parted(s, t->how, out, n);
}
