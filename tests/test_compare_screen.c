/* The Compare screen headless: goldens, unlike runs kept apart, the front of any two axes, what is
 * selected kept, measuring from the screen, and the same figures as the command (tui 2, 26, 29). */
#include "core/base/file.h"
#include "core/base/json.h"
#include "kernels/cpu.h"
#include "tests/check.h"
#include "tests/compare_rig.h"
#include "tests/run_child.h"
#include "tests/util.h"
#include "tui/commands/default_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const files[] = {"Q8_0", "Q4_K_M", "Q3_K_M", "Q2_K", NULL};

/* Damage that falls from layer to layer, by the row's place. */
static void add_damage(nb_runs *runs, const char *type, double scale)
{
    nb_weights *w = NULL;
    nb_sense_table t;
    nb_err err = {0};
    check(nb_weights_open(&w, "../nibble-demo", &err) == NB_OK, "%s", err.msg);
    check(nb_sense_table_open(&t, w, nk_type_find(type), &err) == NB_OK, "%s", err.msg);
    const nb_run_key like = {.model = nb_weights_fingerprint(w),
                             .text = "77ab2c41",
                             .protocol = "llama-perplexity",
                             .n_ctx = 512,
                             .chunks = 4};
    for (size_t i = 0; i + 2 < t.n; i++) { /* two are not measured */
        nb_run_key key = nb_sense_key(&like, &t, i);
        nb_damage d = {.n_ctx = 512, .chunks = 4, .scored = 1020, .same_top = 0.97, .rmse = 0.3};
        d.kld = scale / (1 + (double)(i % 11));
        d.kld_err = d.kld / 10;
        d.bytes = 1000 * (i + 1);
        check(nb_runs_add(runs, NB_RUN_DAMAGE, &key, &d, NULL) == NB_OK, "add");
    }
    nb_sense_table_close(&t);
    nb_weights_close(&w);
}

static void add_facts(nb_runs *runs, const stage *s, const char *preset, uint64_t right)
{
    ui_corpus qa;
    nb_task_score f = {.in_file = 71, .asked = 71, .right = right, .score = (double)right / 71};
    nb_run_key key = {.model = compare_print(preset), .protocol = "qa", .chunks = 71};
    check(ui_demo_questions(&qa, &s->cfg), "the demo's questions");
    memcpy(key.text, qa.sha256, sizeof key.text);
    ui_text_close(&qa);
    nb_wilson(right, 71, &f.lo, &f.hi);
    check(nb_runs_add(runs, NB_RUN_FACTS, &key, &f, NULL) == NB_OK, "facts");
}

/* Four files, three of them alike, one at another context; speeds, facts, sensitivity. */
static void furnish(const stage *s)
{
    nb_runs *runs = compare_store(s);
    compare_add(runs, "Q2_K", "77ab2c41", 256, 16, 0.8);
    compare_add(runs, "Q8_0", "77ab2c41", 512, 8, 0.0012);
    compare_add(runs, "Q4_K_M", "77ab2c41", 512, 8, 0.041);
    compare_add(runs, "Q3_K_M", "77ab2c41", 512, 8, 0.15);
    nb_bench b = {.n_prompt = 512,
                  .n_gen = 128,
                  .threads = 2,
                  .pp_tok_s = 1500,
                  .tg_tok_s = 240,
                  .bandwidth = 1e10,
                  .level = "avx2"};
    nk_cpu_model(b.cpu, sizeof b.cpu);
    check(nb_runs_add_bench(runs, compare_print("Q4_K_M"), &b, NULL) == NB_OK, "bench");
    b.tg_tok_s = 150;
    check(nb_runs_add_bench(runs, compare_print("Q8_0"), &b, NULL) == NB_OK, "bench");
    add_facts(runs, s, "Q8_0", 70);
    add_facts(runs, s, "Q4_K_M", 70);
    add_facts(runs, s, "Q3_K_M", 52);
    add_damage(runs, "q4_K", 0.05);
    add_damage(runs, "q2_K", 0.4);
    nb_runs_close(&runs);
}

CHECK_TEST(compare_screen, matches_its_goldens_tui_2)
{
    stage s;
    compare_begin(&s, "compare", files);
    furnish(&s);
    stage_goldens(&s, "compare");
    stage_leave();
}

CHECK_TEST(compare_screen, cuts_no_word_at_any_size_tui_2)
{
    stage s;
    compare_begin(&s, "compare-words", files);
    furnish(&s);
    stage_whole_words(&s, "compare");
}

CHECK_TEST(compare_screen, ascii_is_ascii)
{
    stage s;
    size_t n;
    compare_begin(&s, "compare-ascii", files);
    furnish(&s);
    s.opt.ascii = true;
    stage_play(&s, "size 120x40\nwait\nkeys 5\nwait\nkeys j j j\nsave-screen plot\nkeys H\n"
                   "save-screen map\n");
    static const char *const saved[] = {"plot", "map"};
    bool plain = true, line = false;
    for (size_t k = 0; k < 2; k++) {
        char *text = test_slurp(saved[k], &n);
        for (size_t i = 0; i < n; i++)
            plain = plain && (unsigned char)text[i] < 0x80;
        line = line || (k == 0 && (strstr(text, "..") || strstr(text, "''")));
        free(text);
    }
    stage_leave();
    check(plain && line, "ASCII %d, a line of it %d", plain, line);
}

static nb_json *load(const char *file)
{
    nb_json *doc = NULL;
    nb_err err = {0};
    nb_status st = nb_json_load(&doc, file, 1 << 20, &err);
    if (st != NB_OK)
        stage_leave();
    check(st == NB_OK, "%s", err.msg);
    return doc;
}

static const char *text_of(const nb_jval *v, const char *key)
{
    const char *t = "";
    nb_jstr(nb_jget(v, key), &t);
    return t;
}

static const nb_jval *file_of(const nb_json *doc, const char *preset)
{
    for (const nb_jval *v = nb_jfirst(nb_jget(nb_json_root(doc), "files")); v; v = nb_jnext(v))
        if (strstr(text_of(v, "file"), preset))
            return v;
    return NULL;
}

static bool has_number(const nb_jval *v, const char *key)
{
    double d;
    return nb_jnum(nb_jget(v, key), &d);
}

/* Another context, another text, another reference: each keeps its file out of the figures, and
 * the screen says why. */
CHECK_TEST(compare_screen, unlike_runs_are_told_and_not_joined_tui_26)
{
    stage s;
    size_t n;
    compare_begin(&s, "compare-unlike", files);
    nb_runs *runs = compare_store(&s);
    compare_add(runs, "Q2_K", "77ab2c41", 256, 16, 0.8);
    compare_add(runs, "Q3_K_M", "0000ffff", 512, 8, 0.2);
    compare_add(runs, "Q8_0", "77ab2c41", 512, 8, 0.0012);
    compare_add(runs, "Q4_K_M", "77ab2c41", 512, 8, 0.041);
    nb_runs_close(&runs);
    stage_play(&s, "size 120x40\nwait\nkeys 5\nwait\nsave-json doc\nkeys j j j\nsave-screen text\n"
                   "keys j\nsave-screen ctx\nkeys ]\nsave-json second\n");
    nb_json *doc = load("doc"), *second = load("second");
    char *text = test_slurp("text", &n), *ctx = test_slurp("ctx", &n);
    stage_leave();
    check(has_number(file_of(doc, "Q8_0"), "kld") && has_number(file_of(doc, "Q4_K_M"), "kld"),
          "the two that are alike");
    check(!has_number(file_of(doc, "Q2_K"), "kld") && !has_number(file_of(doc, "Q3_K_M"), "kld"),
          "unlike ones were joined");
    check(strstr(text, "\xe2\x89\xa0text") && strstr(text, "measured on another text"), "%s", text);
    check(strstr(ctx, "\xe2\x89\xa0"
                      "ctx") &&
              strstr(ctx, "measured at context 256, not 512"),
          "%s", ctx);
    check(strstr(ctx, "3 groups of runs are never joined"), "%s", ctx);
    check(has_number(file_of(second, "Q2_K"), "kld") !=
              has_number(file_of(second, "Q3_K_M"), "kld"),
          "the next group has one of them");
    check(!has_number(file_of(second, "Q8_0"), "kld"), "and none of the first");
    free(text);
    free(ctx);
    nb_json_close(&doc);
    nb_json_close(&second);
}

/* Smaller is better; false where the file has no such value. */
static bool value_of(const nb_jval *f, const char *axis, double *v)
{
    static const struct {
        const char *axis, *key;
    } plain[] = {{"size", "bytes"},
                 {"bits per weight", "bpw"},
                 {"memory", "ram"},
                 {"KL divergence", "kld"},
                 {"perplexity", "ppl"},
                 {"time per token", "tok_per_s"},
                 {"changed top tokens", "same_top"},
                 {"facts lost", "facts_kept"}};
    for (size_t i = 0; i < countof(plain); i++)
        if (strcmp(plain[i].axis, axis) == 0) {
            if (!nb_jnum(nb_jget(f, plain[i].key), v))
                return false;
            *v = i >= 5 ? -*v : *v;
            return true;
        }
    return false;
}

static bool beaten(const nb_json *doc, const nb_jval *f, const char *x, const char *y)
{
    double fx, fy, gx, gy;
    if (!value_of(f, x, &fx) || !value_of(f, y, &fy))
        return true;
    for (const nb_jval *g = nb_jfirst(nb_jget(nb_json_root(doc), "files")); g; g = nb_jnext(g))
        if (value_of(g, x, &gx) && value_of(g, y, &gy) && gx <= fx && gy <= fy &&
            (gx < fx || gy < fy))
            return true;
    return false;
}

CHECK_TEST(compare_screen, every_front_is_the_brute_force_one_and_keeps_the_selection_tui_26)
{
    enum { STEPS = 14 };
    stage s;
    nb_str script = {0};
    size_t axes = 0, wrong = 0, moved = 0, front = 0;
    char seen[STEPS][64];
    compare_begin(&s, "compare-front", files);
    furnish(&s);
    nb_str_add(&script, "size 120x40\nwait\nkeys 5\nwait\nkeys j j\n");
    for (int i = 0; i < STEPS; i++)
        nb_str_addf(&script, "keys %s\nsave-json step%d\n", i % 3 == 2 ? "Y" : "X", i);
    stage_play(&s, nb_str_c(&script));
    for (int i = 0; i < STEPS; i++) {
        char name[32];
        snprintf(name, sizeof name, "step%d", i);
        nb_json *doc = load(name);
        const nb_jval *root = nb_json_root(doc);
        const char *x = text_of(root, "x"), *y = text_of(root, "y");
        snprintf(seen[i], sizeof seen[i], "%s/%s", x, y);
        size_t k = 0;
        while (strcmp(seen[k], seen[i]) != 0)
            k++;
        axes += k == (size_t)i;
        moved += !strstr(text_of(root, "selected"), "Q4_K_M");
        for (const nb_jval *f = nb_jfirst(nb_jget(root, "files")); f; f = nb_jnext(f)) {
            bool on = false;
            nb_jbool(nb_jget(f, "pareto"), &on);
            front += on;
            wrong += on == beaten(doc, f, x, y);
        }
        nb_json_close(&doc);
    }
    stage_leave();
    nb_str_free(&script);
    check(axes >= 12 && front > 12, "%zu pairs of axes, %zu files on fronts", axes, front);
    check(wrong == 0 && moved == 0, "%zu wrong, %zu times another file selected", wrong, moved);
}

/* Marked on Models, those alone and their source are compared. */
CHECK_TEST(compare_screen, marked_files_and_their_source_are_compared)
{
    stage s;
    compare_begin(&s, "compare-marked", files);
    furnish(&s);
    stage_play(&s, "size 120x40\nwait\nkeys gg j Space Space c\nwait\nsave-json marked\n");
    nb_json *doc = load("marked");
    stage_leave();
    check(file_of(doc, "Q8_0") && file_of(doc, "Q4_K_M") && file_of(doc, "../nibble-demo"),
          "marked");
    check(!file_of(doc, "Q2_K") && !file_of(doc, "Q3_K_M"), "an unmarked one came along");
    nb_json_close(&doc);
}

/* A click on a letter selects its file, one on an axis changes it, one on a title orders. */
CHECK_TEST(compare_screen, the_mouse_selects_and_changes_axes)
{
    stage s;
    compare_begin(&s, "compare-mouse", files);
    furnish(&s);
    stage_play(&s, "size 120x40\nwait\nkeys 5\nwait\nclick BPW\nsave-json sorted\n"
                   "click 3,4\nsave-json axis\ndouble d Nibble-Demo-Q3_K_M\nsave-screen card\n");
    nb_json *sorted = load("sorted"), *axis = load("axis");
    size_t n;
    char *card = test_slurp("card", &n);
    stage_leave();
    check(strcmp(text_of(nb_json_root(sorted), "y"), "KL divergence") == 0 &&
              strcmp(text_of(nb_json_root(axis), "y"), "perplexity") == 0,
          "%s", text_of(nb_json_root(axis), "y"));
    check(strstr(card, "d  demo-Q3_K_M.gguf") || strstr(card, "d  Nibble-Demo-Q3_K_M.gguf"), "%s",
          card);
    free(card);
    nb_json_close(&sorted);
    nb_json_close(&axis);
}

/* Where nobody measured a divergence, perplexities are plotted, and no more is said than they tell.
 */
CHECK_TEST(compare_screen, perplexities_alone_are_compared)
{
    stage s;
    size_t n;
    compare_begin(&s, "compare-ppl", files);
    nb_runs *runs = compare_store(&s);
    nb_ppl p = {.n_ctx = 512,
                .chunks = 8,
                .tokens = 9000,
                .scored = 2040,
                .perplexity = 12,
                .stderr_ = 0.4};
    for (size_t i = 0; files[i]; i++, p.perplexity += 0.1)
        check(nb_runs_add_ppl(runs, compare_print(files[i]), "77ab2c41", &p, NULL) == NB_OK, "add");
    nb_runs_close(&runs);
    stage_play(&s, "size 120x40\nwait\nkeys 5\nwait\nsave-screen shown\nsave-json doc\n");
    char *shown = test_slurp("shown", &n);
    nb_json *doc = load("doc");
    stage_leave();
    check(strcmp(text_of(nb_json_root(doc), "y"), "perplexity") == 0, "%s",
          text_of(nb_json_root(doc), "y"));
    check(has_number(file_of(doc, "Q2_K"), "ppl") && strstr(shown, "no divergence is measured") &&
              strstr(shown, "keep Nibble-Demo-Q2_K.gguf") && strstr(shown, "cannot tell"),
          "%s", shown);
    nb_json_close(&doc);
    free(shown);
}

/* --- measuring ---------------------------------------------------------------------------------
 */

/* Hash of the text that is measured on where none is chosen. */
static void default_text(const stage *s, char out[65])
{
    ui_corpus text;
    nb_err err = {0};
    check(ui_text_open(&text, &s->cfg, NULL, &err) == NB_OK, "%s", err.msg);
    memcpy(out, text.sha256, 65);
    ui_text_close(&text);
}

/* A file measured with m joins the group on screen: its context, its chunks. What the command then
 * says of the same files is what the screen says. */
CHECK_TEST(compare_screen, a_measured_file_joins_and_the_command_agrees_tui_29)
{
    static const char *const two[] = {"Q8_0", "Q2_K", NULL};
    stage s;
    char sha[65], cwd[512], home[600], state[700];
    double kld = 0, ours = 0;
    compare_begin(&s, "compare-measure", two);
    s.opt.cpu = NULL;
    default_text(&s, sha);
    nb_runs *runs = compare_store(&s);
    compare_add(runs, "Q8_0", sha, 64, 3, 0.0012);
    add_facts(runs, &s, NULL, 71); /* asked already: only divergence is missing */
    add_facts(runs, &s, "Q8_0", 70);
    add_facts(runs, &s, "Q2_K", 6);
    nb_runs_close(&runs);
    stage_play(&s, "size 120x40\nwait\nkeys 5\nwait\nkeys G m\nwait\nframes 2\nwait\n"
                   "save-json doc\nkeys m\nwait\nsave-screen again\n");
    check(getcwd(cwd, sizeof cwd), "cwd");
    snprintf(home, sizeof home, "XDG_STATE_HOME=%s/../xdg", cwd);
    snprintf(state, sizeof state, "%s/../xdg", cwd);
    nb_err err = {0};
    check(nb_mkdirs(state, &err) == NB_OK, "%s", err.msg);
    check(symlink("../state", "../xdg/nibble") == 0, "link");
    child_how how = {.dir = cwd,
                     .env = {home},
                     .args = {"compare", compare_path("Q2_K"), compare_path("Q8_0"), "--ref",
                              "../nibble-demo", "--stored", "--json"}};
    child c = child_run(&how);
    nb_json *doc = load("doc"), *cmd = child_json(&c);
    size_t n;
    char *again = test_slurp("again", &n);
    stage_leave();
    const nb_jval *mine = file_of(doc, "Q2_K"), *theirs = file_of(cmd, "Q2_K");
    check(nb_jnum(nb_jget(mine, "kld"), &ours) && nb_jnum(nb_jget(theirs, "kld"), &kld) &&
              kld == ours && kld > 0.1,
          "%g on screen, %g by the command: %s", ours, kld, c.out);
    static const char *const keys[] = {"ppl",   "kld_stderr", "same_top",
                                       "bytes", "ram",        "facts_kept"};
    for (size_t i = 0; i < countof(keys); i++) {
        double x = -1, y = -2;
        check(nb_jnum(nb_jget(mine, keys[i]), &x) && nb_jnum(nb_jget(theirs, keys[i]), &y) &&
                  x == y,
              "%s: %g, %g", keys[i], x, y);
    }
    check(strcmp(text_of(nb_json_root(doc), "why"), text_of(nb_json_root(cmd), "why")) == 0,
          "\"%s\", \"%s\"", text_of(nb_json_root(doc), "why"), text_of(nb_json_root(cmd), "why"));
    check(strstr(again, "measured already"), "%s", again);
    nb_json_close(&doc);
    nb_json_close(&cmd);
    child_free(&c);
    free(again);
}

CHECK_TEST(compare_screen, measuring_can_be_cancelled_and_says_what_is_wrong)
{
    static const char *const one[] = {"Q2_K", NULL};
    stage s;
    size_t n;
    compare_begin(&s, "compare-cancel", one);
    s.opt.cpu = NULL;
    test_spit("short.txt", "too short", 9);
    stage_play(&s, "size 120x40\nwait\nkeys 5\nwait\nkeys G m\nframes 2\nkeys x\nwait\n"
                   "save-screen gone\nkeys e\ntext short.txt\nkeys Enter m\nwait\n"
                   "save-screen short\nkeys e C-u\ntext /no/such\nkeys Enter\nsave-screen none\n");
    char *gone = test_slurp("gone", &n), *low = test_slurp("short", &n),
         *none = test_slurp("none", &n);
    stage_leave();
    check(strstr(gone, "cancelled: "), "%s", gone);
    check(strstr(low, "nothing was measured") && strstr(low, "tokens"), "%s", low);
    check(strstr(none, "/no/such: no such file"), "%s", none);
    free(gone);
    free(low);
    free(none);
}

/* --- Inspect's diff -----------------------------------------------------------------------------
 */

/* What endpoints told is shown under the table, and is in no figure of it. */
CHECK_TEST(compare_screen, remote_results_are_shown_apart_and_ranked_with_no_others)
{
    stage s;
    size_t n;
    compare_begin(&s, "compare-remote", (const char *const[]){"Q4_K_M", "Q2_K", NULL});
    nb_runs *runs = compare_store(&s);
    nb_far far = {.remote = "https://far.example/v1#big\x1b[2J",
                  .n_ctx = 128,
                  .chunks = 4,
                  .scored = 400,
                  .ppl = 9.5,
                  .far_ppl = 8.25,
                  .kld = 0.0421,
                  .kld_err = 0.003,
                  .same_top = 0.9};
    nb_run_key key = {.model = compare_print("Q2_K"), .text = "77ab2c41", .protocol = "pieces"};
    nb_err err = {0};
    check(nb_far_print(far.remote, &key.reference, &err) == NB_OK, "%s", err.msg);
    check(nb_runs_add(runs, NB_RUN_FAR, &key, &far, &err) == NB_OK, "%s", err.msg);
    key.model = key.reference;
    key.reference = 0;
    check(nb_runs_add(runs, NB_RUN_FAR, &key, &far, &err) == NB_OK, "%s", err.msg);
    nb_runs_close(&runs);
    stage_play(&s, "size 120x40\nwait\nkeys 5\nwait\nsave-screen wide\nsave-json doc\n"
                   "resize 80x24\nsave-screen narrow\n");
    char *wide = test_slurp("wide", &n), *narrow = test_slurp("narrow", &n);
    nb_json *doc = load("doc");
    stage_leave();
    check(wide && strstr(wide, "remote, not ranked (lower bounds") &&
              strstr(wide, "KL at least 0.04210 +/- 0.00300 from https://far.example/v1#big") &&
              strstr(wide, "perplexity 9.500"),
          "%s", wide);
    check(!strchr(wide, '\x1b') && narrow && strstr(narrow, "which to keep"), "%s", narrow);
    check(!has_number(file_of(doc, "Q2_K"), "kld") && !has_number(file_of(doc, "Q2_K"), "ppl"),
          "a remote figure stands among the ranked");
    nb_json_close(&doc);
    free(wide);
    free(narrow);
}

/* Hours by its size: a text of which nothing is there. */
CHECK_TEST(compare_screen, a_long_measuring_is_asked_about)
{
    stage s;
    size_t n;
    compare_begin(&s, "compare-long", (const char *const[]){"Q4_K_M", NULL});
    test_spit("long.txt", "", 0);
    check(truncate("long.txt", 1 << 29) == 0, "no file of that size");
    stage_play(&s, "size 120x40\nwait\nkeys 5\nwait\nkeys e\ntext long.txt\nkeys Enter m\n"
                   "save-screen asked\nkeys n\nwait\nsave-screen no\n");
    char *asked = test_slurp("asked", &n), *no = test_slurp("no", &n);
    stage_leave();
    check(asked && strstr(asked, " on long.txt: about ") && strstr(asked, "Measure "), "%s", asked);
    check(no && !strstr(no, "about ") && strstr(no, "not measured: m reads long.txt"), "%s", no);
    free(asked);
    free(no);
}

CHECK_TEST(compare_screen, two_marked_files_open_as_a_diff)
{
    stage s;
    size_t n;
    compare_begin(&s, "compare-diff", files);
    s.opt.cpu = NULL;
    stage_play(&s, "size 120x40\nwait\nkeys gg =\nsave-screen one\nkeys j j Space j j Space =\n"
                   "wait\nkeys j j\nsave-json doc\nsave-screen diff\nkeys 1 gg Space =\n"
                   "save-screen three\n");
    char *one = test_slurp("one", &n), *diff = test_slurp("diff", &n),
         *three = test_slurp("three", &n);
    nb_json *doc = load("doc");
    stage_leave();
    double cosine = 0;
    const nb_jval *t = nb_jnext(nb_jnext(nb_jfirst(nb_jget(nb_json_root(doc), "tensors"))));
    nb_jnum(nb_jget(t, "cosine"), &cosine);
    check(strstr(one, "Space marks two files"), "%s", one);
    check(strstr(text_of(nb_json_root(doc), "path"), "Q2_K") &&
              strstr(text_of(nb_json_root(doc), "against"), "Q4_K_M"),
          "the one with fewer bits is held against the other");
    check(cosine > 0.9 && cosine < 0.99 && nb_jget(t, "difference"), "cosine %g", cosine);
    check(strstr(diff, "FROM") && strstr(diff, "difference") && strstr(diff, "q2_K vs q4_K"), "%s",
          diff);
    check(strstr(three, "more than two are marked"), "%s", three);
    nb_json_close(&doc);
    free(one);
    free(diff);
    free(three);
}

/* What one file lacks is told by name, and marked where the table has it. */
CHECK_TEST(compare_screen, a_diff_tells_tensors_of_one_file_alone)
{
    static const char *const none[] = {NULL};
    stage s;
    size_t n;
    char cwd[512];
    compare_begin(&s, "compare-pruned", none);
    s.opt.cpu = NULL;
    check(getcwd(cwd, sizeof cwd), "cwd");
    child_how how = {.dir = cwd,
                     .args = {"quantize", "../nibble-demo", "-t", "Q8_0", "-o",
                              compare_path("Pruned"), "--prune-layers", "5"}};
    child c = child_run(&how);
    stage_play(&s,
               "size 120x40\nwait\nkeys gg Space Space =\nwait\nsave-screen wide\nresize 80x24\n"
               "save-screen narrow\nresize 120x40\nkeys 1\n");
    char *wide = test_slurp("wide", &n), *narrow = test_slurp("narrow", &n);
    stage_leave();
    check(c.code == 0, "%s", c.err);
    check(strstr(wide, "9 only in nibble-demo: blk.5.attn_k, "), "%s", wide);
    check(strstr(narrow, "9 only in nibble-demo: blk.5.attn_k, "), "%s", narrow);
    child_free(&c);
    free(wide);
    free(narrow);
}

/* Plot, card, map and zoom live at any size, and the last frame is a fresh one (A30). */
CHECK_TEST(compare_screen, lives_at_every_size_a30)
{
    static const char *const views[] = {"j", "Enter", "Esc H", "Tab", "+", "Esc Esc e"};
    stage s;
    nb_str script = {0};
    size_t n, m;
    compare_begin(&s, "compare-storm", files);
    furnish(&s);
    nb_str_add(&script, "size 80x24\nwait\nkeys 5\nwait\nsave-screen first\n");
    for (size_t v = 0; v < countof(views); v++) {
        nb_str_addf(&script, "keys %s\n", views[v]);
        for (int w = 1; w < 140; w += 13)
            for (int h = 1; h < 50; h += 7)
                nb_str_addf(&script, "resize %dx%d\nframes 1\n", w, h);
    }
    nb_str_add(&script, "keys Esc k\nresize 80x24\nsave-screen last\n");
    stage_play(&s, nb_str_c(&script));
    char *first = test_slurp("first", &n), *last = test_slurp("last", &m);
    stage_leave();
    check(n == m && memcmp(first, last, n) == 0, "%s", last);
    nb_str_free(&script);
    free(first);
    free(last);
}
