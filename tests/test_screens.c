/* The four screens, driven headless by tests/scripts and held against tests/golden at 80x24 and
 * 120x40 (tui 2); what they promise about marks, sizes, differences and memory; and resizing.
 *
 * Runs are pinned: scalar kernels, 2 threads, a script's clock and meters, relative paths. After a
 * wanted change, NB_GOLDEN=write build/tests/plain screens writes the goldens anew. */
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/model/chat.h"
#include "kernels/cpu.h"
#include "tests/check.h"
#include "tests/stage.h"
#include "tests/util.h"
#include "tui/app.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Plays tests/scripts/NAME.script and compares every screen it saves. */
static void golden(const char *script, const char *demo)
{
    stage s;
    stage_begin(&s, script, demo);
    stage_goldens(&s, script);
    stage_leave();
}

CHECK_TEST(screens, models_match_their_goldens)
{
    golden("models", "nibble-demo");
}

CHECK_TEST(screens, quantize_matches_its_goldens)
{
    golden("quantize", "nibble-demo");
}

CHECK_TEST(screens, form_matches_its_goldens_tui_24)
{
    golden("form", "nibble-demo");
}

CHECK_TEST(screens, inspect_matches_its_goldens)
{
    golden("inspect", "nibble-demo");
}

CHECK_TEST(screens, chat_matches_its_goldens)
{
    golden("chat", "nibble-demo");
}

CHECK_TEST(screens, several_answers_match_their_goldens)
{
    golden("several", "nibble-demo");
}

CHECK_TEST(screens, panels_match_their_goldens)
{
    golden("panels", "nibble-demo");
}

CHECK_TEST(screens, without_models_every_screen_says_what_to_press)
{
    golden("nothing", NULL);
}

/* --- promises -------------------------------------------------------------------------------- */

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

static double number(const nb_jval *v)
{
    double d = -1;
    nb_jnum(v, &d);
    return d;
}

CHECK_TEST(screens, tui_24_dry_run_size_is_the_written_size)
{
    stage s;
    struct stat st;
    const char *out = NULL;
    stage_begin(&s, "size", "nibble-demo");
    s.opt.cpu = NULL;
    stage_play(&s,
               "size 100x30\nkeys 3\nwait\nsave-json before\nkeys C-r\nwait\nsave-json after\n");
    nb_json *before = load("before"), *after = load("after");
    double said = number(nb_jget(nb_json_root(before), "bytes"));
    nb_jstr(nb_jget(nb_json_root(after), "output"), &out);
    bool there = out && stat(out, &st) == 0;
    const nb_jval *first = nb_jfirst(nb_jget(nb_json_root(after), "tensors"));
    double sqnr = number(nb_jget(first, "sqnr_db"));
    nb_json_close(&before);
    stage_leave();
    check(there && said > 0 && (double)st.st_size == said, "said %.0f, wrote %lld", said,
          there ? (long long)st.st_size : -1);
    check(sqnr > 5 && sqnr < 60, "SQNR %f dB", sqnr);
    nb_json_close(&after);
}

static bool holds(const char *file, const char *text)
{
    size_t n;
    char *got = test_slurp(file, &n);
    bool found = got && strstr(got, text);
    if (!found)
        fprintf(stderr, "--- %s lacks \"%s\"\n%s\n", file, text, got ? got : "");
    free(got);
    return found;
}

/* A digit opens an empty screen on the model under the cursor of Models, also when it is pressed
 * before the first list is there; a screen with content keeps it. */
CHECK_TEST(screens, a_digit_brings_the_model_under_the_cursor)
{
    stage s;
    stage_begin(&s, "digits", "nibble-demo");
    stage_play(&s,
               "size 120x40\nkeys 4\nwait\nsave-screen inspect\nkeys 6\nwait\nsave-screen chat\n"
               "keys Esc 3 h C-r\nwait\nkeys 1\nwait\nkeys j 4\nwait\nsave-screen kept\n");
    bool ok = holds("inspect", "[4 Inspect]") && holds("inspect", "blk.0.ffn_down") &&
              holds("chat", "[6 Chat]") && holds("chat", "A nibble-demo bf16") &&
              holds("kept", "nibble-demo  57 tensors");
    stage_leave();
    check(ok, "see above");
}

/* The demo is made to Q2_K, where its words get lost; what is Q2_K already gets no larger; a choice
 * by hand stays. */
CHECK_TEST(screens, the_usual_preset_depends_on_the_model)
{
    stage s;
    stage_begin(&s, "preset", "nibble-demo");
    s.opt.cpu = NULL;
    stage_play(&s, "size 120x40\nkeys 3\nwait\nsave-screen demo\nkeys C-r\nwait\nkeys 1\nwait\n"
                   "keys j Q\nwait\nsave-screen other\nkeys h 1 k Q\nwait\nsave-screen chosen\n");
    bool ok = holds("demo", "type       Q2_K") && holds("other", "type       Q2_K ") &&
              holds("chosen", "type       Q2_K_S");
    stage_leave();
    check(ok, "see above");
}

/* The screen opens the demo by itself; what is chosen before that has ended still wins. */
CHECK_TEST(screens, quantize_opens_what_was_chosen_last)
{
    stage s;
    const char *source = "";
    stage_begin(&s, "chosen", "nibble-demo");
    s.opt.cpu = NULL;
    stage_play(&s, "size 100x30\nkeys 3\nwait\nkeys C-r\nwait\n");
    stage_play(&s, "size 100x30\nwait\nkeys 1\nwait\nkeys j Q\nwait\nsave-json chosen\n");
    nb_json *doc = load("chosen");
    stage_leave();
    nb_jstr(nb_jget(nb_json_root(doc), "source"), &source);
    check(strstr(source, ".gguf"), "j Q chose %s", source);
    nb_json_close(&doc);
}

/* Keys between choosing another model and its arrival start no job on the one that goes. */
CHECK_TEST(screens, inspect_reads_nothing_while_another_model_opens)
{
    stage s;
    stage_begin(&s, "swap", "nibble-demo");
    s.opt.cpu = NULL;
    stage_play(&s, "size 120x40\nkeys 3\nwait\nkeys C-r\nwait\nkeys 1\nwait\nkeys Enter\nwait\n"
                   "keys 1 j Enter j j j\nwait\nkeys 1 k Enter j\nwait\nkeys 1 j Enter k G\nwait\n"
                   "save-screen last\n");
    bool ok = holds("last", "Q2_K.gguf  57 tensors");
    stage_leave();
    check(ok, "see above");
}

/* What panes measured, each alone, stands in Models with the check mark; what nobody measured is
 * unknown, not guessed (tui 4.11). */
CHECK_TEST(screens, models_show_the_speed_a_chat_measured)
{
    stage s;
    stage_begin(&s, "speed", "nibble-demo");
    s.opt.cpu = NULL;
    stage_play(&s,
               "size 120x40\nkeys 3\nwait\nkeys C-r\nwait\nkeys 1\nwait\nsave-screen before\n"
               "keys 3 t\nwait\ntext What is Q2_K?\nkeys Enter\nwait\nkeys Esc 1\nframes 2\nwait\n"
               "save-screen after\n");
    size_t n;
    char *before = test_slurp("before", &n), *after = test_slurp("after", &n);
    static const char measured[] = "FITS    100 \xe2\x9c\x93", unknown[] = "FITS        ?";
    const char *first = before ? strstr(before, unknown) : NULL;
    bool none = first && strstr(first + 1, unknown) && !strstr(before, measured);
    first = after ? strstr(after, measured) : NULL;
    bool both = first && strstr(first + 1, measured) && !strstr(after, unknown);
    stage_leave();
    check(none, "%s", before);
    check(both, "%s", after);
    free(before);
    free(after);
}

static size_t files_in(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.' || (e->d_name[1] && e->d_name[1] != '.');
    if (d)
        closedir(d);
    return n;
}

/* tui 25: p holds the run, x ends it and leaves nothing, not even a name of its own; the same run
 * afterwards writes its one file, and E tells of it. */
CHECK_TEST(screens, tui_25_a_cancelled_quantize_leaves_nothing)
{
    stage s;
    stage_begin(&s, "cancel", "nibble-demo");
    s.opt.cpu = NULL;
    stage_play(&s,
               "size 120x40\nkeys 3\nwait\nkeys C-r p\nframes 3\nsave-screen paused\nkeys x\nwait\n"
               "save-screen gone\n");
    bool ok = holds("paused", "paused  ") && holds("gone", "cancelled; nothing was left on disk");
    size_t left = files_in("../data/models");
    stage_play(&s, "size 120x40\nkeys 3\nwait\nkeys C-r\nwait\nkeys E\nsave-screen log\n");
    size_t written = files_in("../data/models");
    ok = holds("log", "quantized ../nibble-demo to") && ok;
    stage_leave();
    check(ok, "see above");
    check(left == 0 && written == 1, "%zu files left, then %zu", left, written);
}

/* Of the demo's 57 tensors 44 are quantized; the others are copied and have no error to show. */
CHECK_TEST(screens, tui_25_every_quantized_tensor_can_be_walked_to)
{
    enum { TENSORS = 44 };
    bool seen[TENSORS] = {false};
    int missing = 0;
    stage s;
    nb_str text = {0};
    stage_begin(&s, "walk", "nibble-demo");
    nb_str_add(&text, "size 120x40\nkeys 3\nwait\nkeys C-r\nwait\nframes 120\n");
    for (int i = 0; i < TENSORS; i++)
        nb_str_addf(&text, "save-screen walk%d\nkeys [\n", i);
    stage_play(&s, nb_str_c(&text));
    for (int i = 0; i < TENSORS; i++) {
        char name[32], place[32];
        size_t n;
        snprintf(name, sizeof name, "walk%d", i);
        char *screen = test_slurp(name, &n);
        for (int k = 0; screen && k < TENSORS; k++) {
            snprintf(place, sizeof place, "  %d/%d ", k + 1, TENSORS);
            const char *at = strstr(screen, place);
            seen[k] = seen[k] || (at && strstr(screen, "before") && strstr(screen, "after"));
        }
        free(screen);
    }
    stage_leave();
    for (int k = 0; k < TENSORS; k++)
        missing += !seen[k];
    check(missing == 0, "%d of %d tensors were not shown", missing, TENSORS);
    nb_str_free(&text);
}

CHECK_TEST(screens, tui_20_marks_survive_filter_and_order)
{
    stage s;
    stage_begin(&s, "marks", "nibble-demo");
    s.opt.cpu = NULL;
    stage_play(
        &s, "size 120x40\nkeys 3\nwait\nkeys C-r\nwait\nkeys l l l l l C-r\nwait\nkeys 1\nwait\n"
            "keys j Space\nsave-json marked\n"
            "keys /\ntext demo\nkeys Enter s s S s\nsave-json sorted\n"
            "keys /\nkeys Space z z z Enter s\nsave-json none\nkeys Esc s s s\nsave-json back\n");
    static const struct {
        const char *file;
        size_t rows, marks;
    } want[] = {{"marked", 3, 1}, {"sorted", 3, 1}, {"none", 0, 0}, {"back", 3, 1}};
    for (size_t i = 0; i < countof(want); i++) {
        nb_json *doc = load(want[i].file);
        const nb_jval *models = nb_jget(nb_json_root(doc), "models");
        size_t rows = nb_jlen(models), marks = 0;
        for (const nb_jval *m = nb_jfirst(models); m; m = nb_jnext(m)) {
            bool on = false;
            nb_jbool(nb_jget(m, "marked"), &on);
            marks += on;
        }
        nb_json_close(&doc);
        if (rows != want[i].rows || marks != want[i].marks)
            stage_leave();
        check(rows == want[i].rows && marks == want[i].marks, "%s: %zu rows, %zu marks",
              want[i].file, rows, marks);
    }
    stage_leave();
}

typedef struct answer {
    int32_t *ids;
    size_t n, cap;
} answer;

static void keep(void *arg, const nb_token_event *e)
{
    answer *a = arg;
    if (e->id >= 0 && a->n < a->cap)
        a->ids[a->n++] = e->id;
}

/* What a local model answers, greedy, without any screen. */
static size_t offline(const char *path, int32_t *ids, size_t cap)
{
    nk_ops ops;
    nb_sched *sched = NULL;
    nb_local *l = NULL;
    nb_err err = {0};
    nb_turn_stats stats;
    answer a = {.ids = ids, .cap = cap};
    nk_ops_init(&ops, nk_cpu_detect());
    check(nb_sched_open(&sched, 1, &err) == NB_OK, "%s", err.msg);
    nb_status st = nb_local_open(&l, path, &ops, sched, 1, &(nb_session_options){0}, &err);
    check(st == NB_OK, "%s: %s", path, err.msg);
    const nb_message q = {NB_USER, "What is Q2_K?", 13};
    const nb_ask ask = {.messages = &q,
                        .n_messages = 1,
                        .sampling = nb_sampling_greedy(),
                        .token = keep,
                        .arg = &a};
    nb_responder *r = nb_local_responder(l);
    check(r->ask(r, &ask, &stats, NULL, &err) == NB_OK, "%s", err.msg);
    nb_local_close(&l);
    nb_sched_close(&sched);
    return a.n;
}

CHECK_TEST(screens, tui_27_marker_is_at_the_first_differing_token_computed_offline)
{
    stage s;
    int32_t a[512], b[512];
    stage_begin(&s, "differ", "nibble-demo");
    s.opt.cpu = NULL; /* as fast as here, on both sides */
    stage_play(&s, "size 100x30\nkeys 3\nwait\nkeys C-r\nwait\nsave-json run\nkeys t\nwait\n"
                   "text What is Q2_K?\nkeys Enter\nwait\nsave-screen shown\nsave-json chat\n");
    nb_json *run = load("run"), *chat = load("chat");
    const char *out = "";
    nb_jstr(nb_jget(nb_json_root(run), "output"), &out);
    size_t na = offline("../nibble-demo", a, countof(a)), nb = offline(out, b, countof(b)), d = 0;
    while (d < na && d < nb && a[d] == b[d])
        d++;
    const nb_jval *second = nb_jnext(nb_jfirst(nb_jget(nb_json_root(chat), "answers")));
    double said = number(nb_jget(second, "first_difference"));
    char mark[64];
    size_t n;
    snprintf(mark, sizeof mark, "\xc3\xb7 token %zu ", d);
    char *screen = test_slurp("shown", &n);
    bool shown = screen && strstr(screen, mark);
    nb_json_close(&run);
    nb_json_close(&chat);
    stage_leave();
    check(na > 10 && nb > 10 && d < na, "answers of %zu and %zu tokens", na, nb);
    check(said == (double)d && shown, "offline %zu, chat %f, \"%s\" in:\n%s", d, said, mark,
          screen);
    free(screen);
}

CHECK_TEST(screens, tui_28_a_pane_that_does_not_fit_is_refused_with_numbers)
{
    stage s;
    stage_begin(&s, "memory", "nibble-demo");
    s.cfg.ram_limit = 10000000;
    stage_play(
        &s, "size 120x40\nwait\nkeys t\nwait\nsave-screen refused\ntext hello\nkeys Enter\nwait\n"
            "save-screen still\nkeys Esc 1\nsave-screen alive\n");
    size_t n;
    char *refused = test_slurp("refused", &n), *still = test_slurp("still", &n),
         *alive = test_slurp("alive", &n);
    stage_leave();
    check(refused && strstr(refused, "needs 20.5 MB") && strstr(refused, "10.0 MB are free"), "%s",
          refused);
    check(still && strstr(still, "needs 20.5 MB"), "asked again, refused again:\n%s", still);
    check(alive && strstr(alive, "[1 Models]"), "%s", alive);
    free(refused);
    free(still);
    free(alive);
}

/* --- resizing -------------------------------------------------------------------------------- */

static void add_storm(nb_str *out, test_rng *rng, int count)
{
    for (int i = 0; i < count; i++)
        nb_str_addf(out, "resize %ux%u\nframes 1\n", 1 + test_below(rng, 300),
                    1 + test_below(rng, 100));
    for (int w = 1; w <= 12; w += 3)
        nb_str_addf(out, "resize %dx1\nframes 1\nresize 1x%d\nframes 1\nresize %dx%d\nframes 1\n",
                    w, w, w, w);
}

/* A30: alive at every size while two panes stream, and the last frame is a fresh frame. */
CHECK_TEST(screens, a30_resizing_never_harms)
{
    static const char *const steps[] = {"wait\n",
                                        "keys 3\nwait\n",
                                        "keys D\n",
                                        "keys D C-r\n",
                                        "wait\n",
                                        "keys 1\nwait\nkeys j Enter\n",
                                        "wait\n",
                                        "keys Enter\n",
                                        "keys 3\nkeys t\nwait\n",
                                        "text What is Q2_K?\nkeys Enter\n",
                                        "keys Esc m P\n"};
    test_rng rng = test_rng_make(30);
    nb_str text = {0};
    stage s;
    stage_begin(&s, "storm", "nibble-demo");
    nb_str_add(&text, "size 80x24\n");
    for (size_t i = 0; i < countof(steps); i++) {
        nb_str_add(&text, steps[i]);
        add_storm(&text, &rng, 20);
    }
    nb_str_add(&text, "keys Esc m m i\nwait\nresize 120x40\nsave-screen chat-120x40\n");
    stage_play(&s, nb_str_c(&text));
    stage_compare("chat", "120x40");
    stage_leave();
    nb_str_free(&text);
}
