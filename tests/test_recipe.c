/* Recipes and presets: which type every tensor gets. Golden: tests/data/presets.golden, folded from
 * llama.cpp's snapshots; the snapshots themselves are read where ../shared is present. */
#include "tests/check.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/quant/recipe.h"

enum { MAX_FAMILIES = 32, MAX_TENSORS = 1200, N_MODELS = 6 };

typedef struct model {
    char name[64], arch[32];
    nb_shape_info info;
    size_t n;
    nb_tensor t[MAX_TENSORS];
    char names[MAX_TENSORS][NB_MAX_NAME + 1];
    nk_type_id want[MAX_TENSORS], got[MAX_TENSORS];
} model;

/* "0-3,7" -> calls put for each layer; "-" -> once with -1. */
static void each_layer(const char *spans, void (*put)(model *, const char *, int, unsigned long),
                       model *m, const char *family, unsigned long value)
{
    if (strcmp(spans, "-") == 0) {
        put(m, family, -1, value);
        return;
    }
    for (const char *p = spans; *p;) {
        char *end;
        long a = strtol(p, &end, 10), b = a;
        if (*end == '-')
            b = strtol(end + 1, &end, 10);
        for (long i = a; i <= b; i++)
            put(m, family, (int)i, value);
        p = *end == ',' ? end + 1 : end;
    }
}

static void name_of(char out[NB_MAX_NAME + 1], const char *family, int layer)
{
    if (layer < 0)
        snprintf(out, NB_MAX_NAME + 1, "%s.weight", family);
    else
        snprintf(out, NB_MAX_NAME + 1, "blk.%d.%s.weight", layer, family);
}

static void add_tensor(model *m, const char *family, int layer, unsigned long width)
{
    check(m->n < MAX_TENSORS, "%zu", m->n);
    name_of(m->names[m->n], family, layer);
    bool experts = strstr(family, "_exps") != NULL;
    bool heads = strcmp(family, "attn_k_b") == 0 || strcmp(family, "attn_v_b") == 0;
    uint64_t third = experts ? m->info.n_expert : heads ? m->info.n_head : 1;
    m->t[m->n] =
        (nb_tensor){.type = NK_F32, .n_dims = third > 1 ? 3 : 2, .shape = {width, 64, third, 1}};
    m->n++;
}

static int order(const void *a, const void *b)
{
    const char *x = a, *y = b;
    int lx = -1, ly = -1;
    (void)(sscanf(x, "blk.%d.", &lx) + sscanf(y, "blk.%d.", &ly));
    return lx != ly ? lx - ly : strcmp(x, y);
}

/* Output order: names sorted, shapes follow. */
static void finish_model(model *m)
{
    static char before[MAX_TENSORS][NB_MAX_NAME + 1];
    static nb_tensor shapes[MAX_TENSORS];
    memcpy(before, m->names, sizeof before);
    memcpy(shapes, m->t, sizeof shapes);
    qsort(m->names, m->n, sizeof m->names[0], order);
    for (size_t i = 0; i < m->n; i++) {
        size_t k = 0;
        while (strcmp(before[k], m->names[i]) != 0)
            k++;
        m->t[i] = shapes[k];
        m->t[i].name = m->names[i];
        m->info.has_output |= strcmp(m->names[i], "output.weight") == 0;
    }
    m->info.arch = m->arch;
}

static size_t find(const model *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->names[i], name) == 0)
            return i;
    return m->n;
}

static void want_type(model *m, const char *family, int layer, unsigned long type)
{
    char name[NB_MAX_NAME + 1];
    name_of(name, family, layer);
    size_t i = find(m, name);
    check(i < m->n, "%s: no tensor %s", m->name, name);
    m->want[i] = (nk_type_id)type;
}

static void want_base(model *m, const nb_preset *p)
{
    for (size_t i = 0; i < m->n; i++)
        m->want[i] = p->base;
}

static void compare(model *m, const nb_preset *p)
{
    nb_recipe r;
    nb_err err = {0};
    nb_recipe_init(&r, p);
    check(nb_preset_types(&r, &m->info, m->t, m->n, m->got, &err) == NB_OK, "%s", err.msg);
    for (size_t i = 0; i < m->n; i++)
        check(m->got[i] == m->want[i], "%s %s: %s is %s, expected %s", m->name, p->name,
              m->names[i], nk_type_get(m->got[i])->name, nk_type_get(m->want[i])->name);
}

/* Walks the golden: shapes into *m, and for each preset group calls at its end. */
static size_t read_golden(model *models, bool check_types)
{
    size_t len, n = 0, groups = 0;
    char *text = test_slurp(test_data("presets.golden"), &len), *save = NULL;
    check(text, "tests/data/presets.golden is missing");
    const nb_preset *open = NULL;
    model *m = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char a[64], b[64], c[64], d[512];
        unsigned v[4];
        if (line[0] == '#')
            continue;
        const nb_preset *p = NULL;
        if (sscanf(line, "model %63s %31s %u %u %u %u", a, b, &v[0], &v[1], &v[2], &v[3]) == 6) {
            if (open && check_types)
                compare(m, open);
            open = NULL;
            check(n < N_MODELS, "more models than %d", N_MODELS);
            m = &models[n++];
            memset(m, 0, sizeof *m);
            snprintf(m->name, sizeof m->name, "%s", a);
            snprintf(m->arch, sizeof m->arch, "%.31s", b);
            m->info = (nb_shape_info){
                .n_layer = v[0], .n_head = v[1], .n_head_kv = v[2], .n_expert = v[3]};
            continue;
        }
        check(m && sscanf(line, "%63s %63s %63s %511s", a, b, c, d) == 4, "bad line: %s", line);
        if (strcmp(a, "tensor") == 0) {
            each_layer(d, add_tensor, m, b, strtoul(c, NULL, 10));
            continue;
        }
        p = nb_preset_find(a);
        check(p, "unknown preset %s", a);
        if (p != open) {
            if (!open)
                finish_model(m);
            else if (check_types)
                compare(m, open);
            groups++;
            open = p;
            want_base(m, p);
        }
        if (strcmp(b, "=") != 0)
            each_layer(d, want_type, m, b, nk_type_find(c)->id);
    }
    if (check_types)
        compare(m, open);
    free(text);
    check(n == N_MODELS, "%zu models", n);
    return groups;
}

static model models[N_MODELS];

CHECK_TEST(recipe, presets_choose_what_llama_quantize_chooses)
{
    size_t n;
    nb_presets(&n);
    size_t groups = read_golden(models, true);
    /* Q1_0 is younger than the snapshots: one file of it is in tensors.golden */
    check(groups == (n - 1) * N_MODELS, "%zu groups for %zu presets of %d models", groups, n,
          N_MODELS);
}

static size_t compare_snapshot(model *m, char *text)
{
    const nb_preset *open = NULL;
    size_t sections = 0;
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char a[NB_MAX_NAME + 1], b[32];
        if (line[0] == '#' || !line[0])
            continue;
        if (sscanf(line, "[%31[^]]] %31s", a, b) == 2) {
            if (open)
                compare(m, open);
            open = nb_preset_find(a);
            check(open && open->base == nk_type_find(b)->id, "[%s] base %s", a, b);
            sections++;
            want_base(m, open);
            continue;
        }
        check(sscanf(line, "%63s %31s", a, b) == 2, "bad line: %s", line);
        if (!open)
            continue;
        size_t i = find(m, a);
        check(i < m->n, "%s: no tensor %s in the shapes", m->name, a);
        m->want[i] = nk_type_find(b)->id;
    }
    if (open)
        compare(m, open);
    return sections;
}

CHECK_TEST(recipe, snapshots_of_llama_cpp_agree_section_by_section)
{
    if (!test_shared("presets/qwen3-0.6b.schema"))
        check_skip("../shared/presets is absent");
    size_t n;
    nb_presets(&n);
    read_golden(models, false);
    for (size_t i = 0; i < N_MODELS; i++) {
        char path[128];
        size_t len;
        snprintf(path, sizeof path, "presets/%.63s.schema", models[i].name);
        char *text = test_slurp(test_shared(path), &len);
        check(text, "%s", path);
        size_t sections = compare_snapshot(&models[i], text);
        check(sections == n - 1, "%s: %zu sections of %zu presets", path, sections, n);
        free(text);
    }
}

/* The demo's shapes: enough to see every kind of row. */
static size_t small_model(nb_tensor *t, char names[][NB_MAX_NAME + 1], nb_shape_info *info,
                          uint64_t width)
{
    static const char *const family[] = {"attn_k", "attn_norm", "attn_output", "attn_q",
                                         "attn_v", "ffn_down",  "ffn_gate",    "ffn_up"};
    size_t n = 0;
    *info = (nb_shape_info){
        .arch = "llama", .n_layer = 6, .n_head = 4, .n_head_kv = 2, .has_output = true};
    for (int layer = -1; layer < 6; layer++)
        for (size_t f = 0; f < countof(family); f++) {
            if (layer < 0 && f > 2)
                break;
            if (layer < 0)
                snprintf(names[n], NB_MAX_NAME + 1, "%s",
                         (const char *[]){"output.weight", "output_norm.weight",
                                          "token_embd.weight"}[f]);
            else
                snprintf(names[n], NB_MAX_NAME + 1, "blk.%d.%s.weight", layer, family[f]);
            bool norm = strstr(names[n], "norm") != NULL;
            t[n] = (nb_tensor){.name = names[n],
                               .type = NK_F32,
                               .n_dims = norm ? 1 : 2,
                               .shape = {width, norm ? 1 : 64, 1, 1}};
            n++;
        }
    return n;
}

static nk_type_id type_of(const nb_tensor *t, const nk_type_id *types, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(t[i].name, name) == 0)
            return types[i];
    check(false, "no tensor %s", name);
    return NK_F32;
}

typedef struct expect {
    const char *tensor;
    nk_type_id type;
} expect;

static void choose(const nb_recipe *r, uint64_t width, const expect *e, size_t n_expect)
{
    nb_tensor t[64];
    char names[64][NB_MAX_NAME + 1];
    nb_shape_info info;
    nk_type_id types[64];
    nb_err err = {0};
    size_t n = small_model(t, names, &info, width);
    check(nb_preset_types(r, &info, t, n, types, &err) == NB_OK, "%s", err.msg);
    for (size_t i = 0; i < n_expect; i++) {
        nk_type_id got = type_of(t, types, n, e[i].tensor);
        check(got == e[i].type, "%s width %u: %s, expected %s", e[i].tensor, (unsigned)width,
              nk_type_get(got)->name, nk_type_get(e[i].type)->name);
    }
}

static nb_recipe recipe(const char *preset, const char *const *rules, size_t n)
{
    nb_recipe r;
    nb_err err = {0};
    nb_recipe_init(&r, nb_preset_find(preset));
    for (size_t i = 0; i < n; i++)
        check(nb_recipe_add(&r, rules[i], &err) == NB_OK, "%s", err.msg);
    return r;
}

CHECK_TEST(recipe, rules_beat_the_preset_but_not_the_norms)
{
    static const char *const rules[] = {"blk.0.*=q8_0", "ffn_down=q6_K", "*=q4_0"};
    static const expect e[] = {
        {"blk.0.attn_q.weight", NK_Q8_0},   {"blk.0.attn_norm.weight", NK_F32},
        {"blk.0.ffn_down.weight", NK_Q8_0}, {"blk.1.ffn_down.weight", NK_Q6_K},
        {"blk.1.ffn_up.weight", NK_Q4_0},   {"output.weight", NK_Q4_0},
        {"output_norm.weight", NK_F32},
    };
    nb_recipe r = recipe("Q4_K_M", rules, countof(rules));
    choose(&r, 256, e, countof(e));
}

/* A decided tensor is not counted, so the next V tensor takes its place: Q3_K_M gives the first two
 * counted ones q5_K. */
CHECK_TEST(recipe, a_rule_does_not_advance_the_layer_counter)
{
    static const char *const rules[] = {"blk.0.attn_v=q8_0"};
    static const expect e[] = {{"blk.0.attn_v.weight", NK_Q8_0},
                               {"blk.1.attn_v.weight", NK_Q5_K},
                               {"blk.2.attn_v.weight", NK_Q5_K},
                               {"blk.3.attn_v.weight", NK_Q4_K}};
    nb_recipe r = recipe("Q3_K_M", rules, countof(rules));
    choose(&r, 256, e, countof(e));
}

CHECK_TEST(recipe, pure_and_the_two_options_are_obeyed)
{
    nb_recipe r = recipe("Q4_K_M", NULL, 0);
    r.pure = true;
    choose(&r, 256, (expect[]){{"output.weight", NK_Q4_K}, {"blk.0.attn_v.weight", NK_Q4_K}}, 2);
    r.output_type = NK_Q8_0;
    r.embd_type = NK_Q2_K;
    choose(&r, 256, (expect[]){{"output.weight", NK_Q8_0}, {"token_embd.weight", NK_Q2_K}}, 2);
}

CHECK_TEST(recipe, odd_widths_fall_back_and_never_fail)
{
    size_t n;
    const nb_preset *p = nb_presets(&n);
    nb_recipe r = recipe("Q4_K_M", NULL, 0);
    choose(&r, 640, (expect[]){{"blk.1.ffn_up.weight", NK_Q5_0}, {"output.weight", NK_Q8_0}}, 2);
    choose(&r, 100, (expect[]){{"blk.1.ffn_up.weight", NK_F16}, {"output.weight", NK_F16}}, 2);
    for (size_t i = 0; i < n; i++)
        for (uint64_t width = 1; width < 600; width += 7) {
            nb_tensor t[64];
            char names[64][NB_MAX_NAME + 1];
            nb_shape_info info;
            nk_type_id types[64];
            nb_err err = {0};
            size_t count = small_model(t, names, &info, width);
            nb_recipe_init(&r, &p[i]);
            check(nb_preset_types(&r, &info, t, count, types, &err) == NB_OK, "%s", err.msg);
            for (size_t k = 0; k < count; k++)
                check(width % nk_type_get(types[k])->block_len == 0, "%s: %s width %u", p[i].name,
                      nk_type_get(types[k])->name, (unsigned)width);
        }
}

CHECK_TEST(recipe, names_and_rules_are_read_strictly)
{
    static const struct {
        const char *text;
        nb_status want;
    } row[] = {
        {"ffn_down=q6_K", NB_OK},
        {"ffn_down=Q6_k", NB_OK},
        {"=q6_K", NB_USAGE},
        {"ffn_down=", NB_USAGE},
        {"ffn_down", NB_USAGE},
        {"ffn_down=q9_9", NB_USAGE},
        {"ffn_down=q8_K", NB_UNSUPPORTED},
        {"a=i16", NB_UNSUPPORTED},
        {"a=iq1_s", NB_OK},
        {"ffn_down@=q6_K", NB_USAGE},
        {"ffn_down@3-1=q6_K", NB_USAGE},
        {"ffn_down@first/0=q6_K", NB_USAGE},
        {"@3=q6_K", NB_USAGE},
    };
    nb_recipe r;
    nb_err err;
    nb_recipe_init(&r, nb_preset_find("q4_k"));
    check(strcmp(r.preset->name, "Q4_K_M") == 0, "%s", r.preset->name);
    check(nb_preset_find("nope") == NULL, "an unknown preset was found");
    for (size_t i = 0; i < countof(row); i++) {
        nb_status st = nb_recipe_add(&r, row[i].text, &err);
        check(st == row[i].want, "%s: %s", row[i].text, nb_status_text(st));
    }
    check(r.n_rules == 3, "%zu rules were kept", r.n_rules);
    char long_one[sizeof r.rule[0].pattern + 8];
    memset(long_one, 'a', sizeof long_one);
    snprintf(long_one + sizeof r.rule[0].pattern, 8, "=q4_0");
    check(nb_recipe_add(&r, long_one, &err) == NB_USAGE, "a pattern one byte too long was taken");
    while (r.n_rules < NB_MAX_RULES)
        check(nb_recipe_add(&r, "x=q4_0", &err) == NB_OK, "%s", err.msg);
    check(nb_recipe_add(&r, "x=q4_0", &err) == NB_USAGE, "one rule too many was taken");
}

CHECK_TEST(recipe, experts_count_by_layer_and_a_bad_layer_is_named)
{
    nb_recipe r = recipe("Q4_K_M", NULL, 0);
    nb_shape_info info = {.arch = "llama",
                          .n_layer = 2,
                          .n_head = 4,
                          .n_head_kv = 1,
                          .n_expert = 8,
                          .has_output = true};
    nb_tensor t[] = {
        {.name = "blk.0.attn_k.weight", .n_dims = 2, .shape = {256, 64, 1, 1}},
        {.name = "blk.0.attn_output.weight", .n_dims = 2, .shape = {256, 64, 1, 1}},
        {.name = "blk.0.attn_v.weight", .n_dims = 2, .shape = {256, 64, 1, 1}},
        {.name = "blk.2.ffn_down_exps.weight", .n_dims = 3, .shape = {256, 64, 8, 1}},
    };
    nk_type_id types[4];
    nb_err err = {0};
    check(nb_preset_types(&r, &info, t, 3, types, &err) == NB_OK, "%s", err.msg);
    check(types[0] == NK_Q8_0 && types[1] == NK_Q5_K && types[2] == NK_Q8_0, "Mixtral's rules");
    check(nb_preset_types(&r, &info, t, 4, types, &err) == NB_FORMAT, "layer 2 of 2 was accepted");
    check(strstr(err.msg, "blk.2.ffn_down_exps"), "%s", err.msg);
}
