/* The solver against brute force, its rules against what it picked, recipes as text and by name. */
#include "tests/check.h"
#include "tests/quantize.h"
#include "tests/run_child.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/quant/recipe_file.h"
#include "core/quant/requantize.h"
#include "core/quant/sample.h"
#include "core/quant/solve.h"

/* --- the optimisation --------------------------------------------------------------------------
 */

enum { ITEMS = 6, CHOICES = 4 };

static nb_plan nothing; /* a plan without header, as a base of items made by hand */

static void random_items(nb_solve *s, nb_solve_item *item, test_rng *rng)
{
    *s = (nb_solve){.plan = &nothing, .item = item, .n = ITEMS};
    for (size_t i = 0; i < ITEMS; i++) {
        item[i] = (nb_solve_item){.tensor = i, .n = CHOICES, .sensitivity = 1};
        uint64_t bytes = 100 + test_below(rng, 100);
        double damage = 1 + (double)test_uniform(rng);
        for (size_t k = 0; k < CHOICES; k++) {
            item[i].choice[k] = (nb_type_cost){NK_Q4_0, bytes, damage};
            bytes += 1 + test_below(rng, 100);
            damage *= 0.2 + 0.7 * (double)test_uniform(rng);
        }
    }
}

static double brute_force(const nb_solve_item *item, uint64_t budget)
{
    double least = INFINITY;
    for (unsigned pick = 0; pick < 1u << 2 * ITEMS; pick++) {
        uint64_t bytes = 0;
        double damage = 0;
        for (unsigned i = 0; i < ITEMS; i++) {
            const nb_type_cost *c = &item[i].choice[pick >> 2 * i & 3];
            bytes += c->bytes;
            damage += c->damage;
        }
        if (bytes <= budget && damage < least)
            least = damage;
    }
    return least;
}

/* On the front nothing smaller is better; between its points it is off by less than a step. */
CHECK_TEST(solve, the_front_is_what_brute_force_finds)
{
    test_rng rng = test_rng_make(20);
    for (int round = 0; round < 20; round++) {
        nb_solve s;
        nb_err err = {0};
        nb_front_point p;
        nb_solve_item item[ITEMS], all[ITEMS];
        random_items(&s, item, &rng);
        memcpy(all, item, sizeof all);
        check(nb_solve_front(&s, &err) == NB_OK, "%s", err.msg);
        check(s.n_front > ITEMS, "%zu points", s.n_front);
        for (size_t i = 0; i < s.n_front; i++) {
            double least = brute_force(all, s.front[i].bytes);
            check(fabs(s.front[i].damage - least) < 1e-12, "round %d point %zu: %g, least %g",
                  round, i, s.front[i].damage, least);
            check(i == 0 || (s.front[i].bytes > s.front[i - 1].bytes &&
                             s.front[i].damage < s.front[i - 1].damage),
                  "point %zu is no step", i);
        }
        for (uint64_t budget = s.front[0].bytes; budget < s.front[s.n_front - 1].bytes;
             budget += 17) {
            check(nb_solve_pick(&s, budget, &p, &err) == NB_OK, "%s", err.msg);
            size_t below = 0;
            while (below + 1 < s.n_front && s.front[below + 1].bytes <= budget)
                below++;
            check(p.bytes <= budget && p.damage <= s.front[below].damage + 1e-12,
                  "budget %llu: %llu bytes, damage %g", (unsigned long long)budget,
                  (unsigned long long)p.bytes, p.damage);
        }
        check(nb_solve_pick(&s, s.front[0].bytes - 1, &p, &err) == NB_NOTFOUND &&
                  strstr(err.msg, "the smallest file has"),
              "%s", err.msg);
        free(s.front);
    }
}

/* --- on a model --------------------------------------------------------------------------------
 */

typedef struct rig {
    nb_weights *w;
    nb_plan plan;
    nb_solve s;
} rig;

static void rig_open(rig *r, nk_pool *pool)
{
    nb_recipe any;
    nb_err err = {0};
    *r = (rig){.w = quant_open(quant_source("F32"))};
    nb_recipe_init(&any, nb_preset_find("Q4_0"));
    check(nb_plan_make(&r->plan, &any, r->w, false, &err) == NB_OK &&
              nb_solve_open(&r->s, &r->plan, NULL, 0, &err) == NB_OK &&
              nb_solve_measure(&r->s, quant_ops(), pool, NULL, &err) == NB_OK,
          "%s", err.msg);
}

static void rig_close(rig *r)
{
    nb_solve_close(&r->s);
    nb_plan_free(&r->plan);
    nb_weights_close(&r->w);
}

CHECK_TEST(solve, a_recipe_makes_the_file_that_was_predicted)
{
    rig r;
    rig_open(&r, NULL);
    for (size_t i = 0; i < r.s.n_front; i += 5) {
        nb_front_point p;
        nb_recipe found;
        nb_plan plan;
        nb_err err = {0};
        check(nb_solve_pick(&r.s, r.s.front[i].bytes, &p, &err) == NB_OK, "%s", err.msg);
        check(p.bytes == r.s.front[i].bytes && fabs(p.damage - r.s.front[i].damage) < 1e-12,
              "point %zu", i);
        check(nb_solve_recipe(&r.s, &found, &err) == NB_OK, "%s", err.msg);
        check(nb_plan_make(&plan, &found, r.w, false, &err) == NB_OK, "%s", err.msg);
        check(plan.file_bytes == p.bytes, "predicted %llu, planned %llu",
              (unsigned long long)p.bytes, (unsigned long long)plan.file_bytes);
        for (size_t k = 0; k < r.s.n; k++) {
            const nb_solve_item *it = &r.s.item[k];
            check(plan.tensor[it->tensor].type->id == it->choice[it->taken].type, "%s",
                  plan.layout[it->tensor].name);
        }
        nb_plan_free(&plan);
    }
    rig_close(&r);
}

CHECK_TEST(solve, threads_change_no_damage)
{
    rig a, b;
    nk_pool *pool = NULL;
    check(nk_pool_open(&pool, 3, NULL) == NB_OK, "pool");
    rig_open(&a, NULL);
    rig_open(&b, pool);
    check(a.s.n_front == b.s.n_front, "%zu and %zu points", a.s.n_front, b.s.n_front);
    for (size_t i = 0; i < a.s.n_front; i++)
        check(memcmp(&a.s.front[i], &b.s.front[i], sizeof a.s.front[i]) == 0, "point %zu", i);
    rig_close(&a);
    rig_close(&b);
    nk_pool_close(&pool);
}

/* A tensor said to be a thousand times as sensitive gets more bits than it had. */
CHECK_TEST(solve, sensitivity_moves_bits_where_they_count)
{
    static const char text[] = "{\"tensors\":[{\"name\":\"blk.0.ffn_up.weight\",\"kld\":1.0,"
                               "\"weight_error\":0.01},{\"name\":\"blk.1.ffn_up.weight\",\"kld\":"
                               "0.001,\"weight_error\":0.01},{\"name\":\"output.weight\",\"kld\":"
                               "0.001,\"weight_error\":0.01},{\"skipped\":\"x\"}]}";
    static const char other[] = "{\"tensors\":[{\"name\":\"x\",\"kld\":1,\"weight_error\":1}]}";
    const char *path = test_path(test_tmpdir(), "sense.json"),
               *bad = test_path(test_tmpdir(), "other.json");
    rig r;
    nb_err err = {0};
    nb_front_point p;
    uint64_t bits[2] = {0};
    test_spit(path, text, sizeof text - 1);
    test_spit(bad, other, sizeof other - 1);
    rig_open(&r, NULL);
    for (int pass = 0; pass < 2; pass++) {
        if (pass)
            check(nb_solve_sensitivity(&r.s, path, &err) == NB_OK &&
                      nb_solve_measure(&r.s, quant_ops(), NULL, NULL, &err) == NB_OK,
                  "%s", err.msg);
        uint64_t middle = (r.s.front[0].bytes + r.s.front[r.s.n_front - 1].bytes) / 2;
        check(nb_solve_pick(&r.s, middle, &p, &err) == NB_OK, "%s", err.msg);
        for (size_t i = 0; i < r.s.n; i++)
            if (strcmp(r.plan.layout[r.s.item[i].tensor].name, "blk.0.ffn_up.weight") == 0)
                bits[pass] = r.s.item[i].choice[r.s.item[i].taken].bytes;
    }
    check(bits[1] > bits[0], "%llu bytes, then %llu", (unsigned long long)bits[0],
          (unsigned long long)bits[1]);
    check(nb_solve_sensitivity(&r.s, bad, &err) == NB_FORMAT && strstr(err.msg, "this model's"),
          "%s", err.msg);
    rig_close(&r);
}

/* --- a second quantizing -----------------------------------------------------------------------
 */

CHECK_TEST(solve, what_a_second_quantizing_costs_is_told_within_a_tenth)
{
    static float first[512 * 256], second[512 * 256];
    static const char *const from[] = {"Q8_0", "Q4_0"};
    nb_weights *w = quant_open(quant_source("F32"));
    const nb_tensor *src = &nb_weights_find(w, "blk.0.ffn_up.weight")->t;
    const float *x = (const float *)(const void *)src->bytes;
    for (size_t i = 0; i < countof(from); i++) {
        nb_requantized r[NB_MAX_REQUANTIZED];
        nb_recipe recipe;
        nb_plan plan;
        size_t n;
        nb_err err = {0};
        nb_weights *q = quant_open(quant_source(from[i]));
        nb_recipe_init(&recipe, nb_preset_find("Q4_1"));
        recipe.pure = true;
        check(nb_plan_make(&plan, &recipe, q, true, &err) == NB_OK &&
                  nb_plan_requantized(&plan, quant_ops(), r, &n, &err) == NB_OK,
              "%s", err.msg);
        check(n >= 1 && strcmp(r[0].to->name, "q4_1") == 0, "%zu rows", n);
        nb_weights_floats(nb_weights_find(q, src->name), first);
        uint8_t *bytes = malloc(countof(first));
        nk_type_q4_1.encode(first, bytes, 512, 256, NULL);
        nk_type_q4_1.decode(bytes, second, countof(second));
        free(bytes);
        double e = 0, all = 0;
        for (size_t k = 0; k < countof(first); k++) {
            e += ((double)second[k] - x[k]) * ((double)second[k] - x[k]);
            all += (double)x[k] * x[k];
        }
        double is = sqrt(e / all);
        for (size_t k = 0; k < n; k++)
            if (nk_type_get(nb_weights_find(q, src->name)->t.type) == r[k].from)
                check(fabs(r[k].expected / is - 1) < 0.1, "%s: expected %g, is %g", from[i],
                      r[k].expected, is);
        nb_plan_free(&plan);
        nb_weights_close(&q);
    }
    nb_weights_close(&w);
}

/* --- recipes -----------------------------------------------------------------------------------
 */

CHECK_TEST(solve, recipes_are_read_as_they_are_written)
{
    static const char text[] = "# for small machines\r\npreset q4_k\n\npure\nleave-output-tensor\n"
                               "  output-tensor-type Q6_K \ntoken-embedding-type q4_K\n"
                               "rule ffn_down@first/8,more=q6_K\nrule blk.*.attn_v=q8_0\n";
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"pure\n", "no line says \"preset\""},
        {"preset Q9\n", "line 1: preset: no preset \"Q9\""},
        {"preset Q8_0\n\nrule x\n", "line 3: rule: rule \"x\": expected PATTERN=TYPE"},
        {"preset Q8_0\npure yes\n", "takes no value"},
        {"preset Q8_0\nspeed 9\n", "line 2: speed: an unknown word"},
        {"preset Q8_0\noutput-tensor-type q9\n", "\"q9\" is no tensor type"},
    };
    nb_recipe r, back;
    nb_err err = {0};
    nb_str out = {0};
    check(nb_recipe_parse(&r, text, sizeof text - 1, "t", &err) == NB_OK, "%s", err.msg);
    check(strcmp(r.preset->name, "Q4_K_M") == 0 && r.pure && r.leave_output &&
              r.output_type == NK_Q6_K && r.embd_type == NK_Q4_K && r.n_rules == 2 &&
              strcmp(r.rule[0].pattern, "ffn_down@first/8,more") == 0 && r.rule[1].type == NK_Q8_0,
          "read otherwise");
    nb_recipe_print(&r, &out);
    check(nb_recipe_parse(&back, out.at, out.len, "t", &err) == NB_OK && back.n_rules == 2 &&
              back.pure && back.output_type == NK_Q6_K,
          "%s: %s", err.msg, out.at);
    nb_str_free(&out);
    for (size_t i = 0; i < countof(bad); i++)
        check(nb_recipe_parse(&r, bad[i].text, strlen(bad[i].text), "t", &err) == NB_FORMAT &&
                  strstr(err.msg, bad[i].says),
              "%s", err.msg);
    check(!nb_recipe_name_ok("") && !nb_recipe_name_ok(".x") && !nb_recipe_name_ok("a/b") &&
              !nb_recipe_name_ok("a b") && nb_recipe_name_ok("small-4.5_b"),
          "names");
}

#define RUN(...) child_run(&(child_how){.args = {__VA_ARGS__}})

static void expect(child c, int code, const char *out, const char *err)
{
    check(c.code == code && strstr(c.out, out) && strstr(c.err, err), "%d: %s%s", c.code, c.out,
          c.err);
    child_free(&c);
}

CHECK_TEST(solve, the_command_solves_saves_and_quantizes_by_name)
{
    const char *demo = test_data("nibble-demo"), *out = test_path(test_tmpdir(), "solved.gguf");
    expect(RUN("recipe", "list"), 0, "no recipes yet", "");
    child c = RUN("recipe", "solve", demo, "--size", "3MB", "--save", "three", "--json", "-q");
    check(c.code == 0, "%s", c.err);
    nb_json *doc = child_json(&c);
    const nb_jval *root = nb_json_root(doc);
    double predicted = 0, bytes = 0;
    check(nb_jnum(nb_jget(root, "predicted"), &predicted) &&
              nb_jnum(nb_jget(root, "bytes"), &bytes) && predicted == bytes && bytes <= 3e6 &&
              bytes > 2.9e6,
          "%g predicted, %g planned", predicted, bytes);
    check(nb_jlen(nb_jget(root, "front")) > 50 && nb_jlen(nb_jget(root, "rules")) > 5, "%s", c.out);
    nb_json_close(&doc);
    child_free(&c);
    expect(RUN("recipe", "solve", demo, "--bpw", "4.5", "--save", "three"), 10, "budget",
           "recipe three exists already");
    expect(RUN("recipe", "show", "three", demo), 0, "tensors  ", "");
    expect(RUN("recipe", "list", "--json"), 0, "\"name\":\"three\"", "");
    c = RUN("quantize", demo, "--recipe", "three", "-o", out);
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    size_t n;
    char *file = test_slurp(out, &n);
    check(file && (double)n == bytes, "%zu bytes, predicted %g", n, bytes);
    free(file);
    expect(RUN("quantize", demo, "--recipe", "three", "--rule", "output=q8_0", "--dry-run"), 0,
           "output.weight                q8_0", "");
    expect(RUN("quantize", demo, "--recipe", "four"), 4, "", "no recipe and no file \"four\"");
    expect(RUN("recipe", "rm", "three"), 10, "", "--yes removes it");
    expect(RUN("recipe", "rm", "three", "--yes"), 0, "removed three", "");
    expect(RUN("recipe", "save", "mine", "-t", "Q4_K_M", "--rule", "ffn_down@more=q8_0"), 0,
           "saved recipe mine", "");
    expect(RUN("recipe", "show", "mine"), 0, "rule ffn_down@more=q8_0", "");
    expect(RUN("recipe", "save", "a/b", "-t", "Q4_0"), 2, "", "no name for a recipe");
    expect(RUN("recipe", "solve", demo, "--size", "1MB"), 4, "", "the smallest file has");
    expect(RUN("recipe", "solve", demo, "--ram", "1MB"), 4, "", "KV cache and buffers alone take");
    expect(RUN("recipe", "solve", demo, "--size", "3XB"), 2, "", "is no size");
    expect(RUN("recipe", "cook"), 2, "", "\"cook\" is not list");
}
