/* The quantize form beyond its pictures: targets read, met and refused (tui 24), what the form
 * writes, importance collected from it, a split model kept split. */
#include "tests/check.h"
#include "tests/quantize.h"
#include "tests/run_child.h"
#include "tests/util.h"
#include "tests/workbench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/files/folder.h"
#include "core/quant/budget.h"
#include "core/quant/imatrix.h"

/* --- budgets -----------------------------------------------------------------------------------
 */

CHECK_TEST(form, budgets_are_read_as_people_write_them)
{
    static const struct {
        const char *text;
        nb_budget is;
    } row[] = {
        {"fits 4 MB", {.kind = NB_BUDGET_SIZE, .bytes = 4000000}},
        {"<= 4MiB", {.kind = NB_BUDGET_SIZE, .bytes = 4 << 20}},
        {"3500000", {.kind = NB_BUDGET_SIZE, .bytes = 3500000}},
        {"7.5G", {.kind = NB_BUDGET_SIZE, .bytes = 7500000000}},
        {"4.5 BPW", {.kind = NB_BUDGET_BPW, .bpw = 4.5}},
        {"8 GB RAM", {.kind = NB_BUDGET_RAM, .bytes = 8000000000}},
        {"8gb ram ctx 8192", {.kind = NB_BUDGET_RAM, .bytes = 8000000000, .ctx = 8192}},
        {"none", {.kind = NB_BUDGET_NONE}},
        {" ", {.kind = NB_BUDGET_NONE}},
    };
    for (size_t i = 0; i < countof(row); i++) {
        nb_budget b, again;
        nb_err err = {0};
        char text[80];
        check(nb_budget_read(&b, row[i].text, &err) == NB_OK, "%s: %s", row[i].text, err.msg);
        check(b.kind == row[i].is.kind && b.bytes == row[i].is.bytes && b.bpw == row[i].is.bpw &&
                  b.ctx == row[i].is.ctx,
              "%s is read as another", row[i].text);
        nb_budget_text(&b, text, sizeof text);
        check(nb_budget_read(&again, text, &err) == NB_OK && again.bytes == b.bytes &&
                  again.bpw == b.bpw && again.kind == b.kind && again.ctx == b.ctx,
              "%s is written as \"%s\"", row[i].text, text);
    }
}

CHECK_TEST(form, budgets_that_are_none_are_refused)
{
    static const char *const wrong[] = {
        "4 XB",         "-1",  "0",    "4 MB ctx 5", "40 bpw",         "bpw",    "fits x",
        "8 GB ram ctx", "ram", "1e30", "4..5 MB",    "8 GB ram ctx 0", "4 MB MB"};
    for (size_t i = 0; i < countof(wrong); i++) {
        nb_budget b = {.bytes = 7};
        nb_err err = {0};
        check(nb_budget_read(&b, wrong[i], &err) == NB_USAGE && err.msg[0] && b.bytes == 7,
              "\"%s\" was taken", wrong[i]);
    }
}

/* --- targets -----------------------------------------------------------------------------------
 */

static uint64_t number_in(const char *text, const char *key)
{
    const char *at = text ? strstr(text, key) : NULL;
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* What the form predicted is what lies on disk, for every target it can be given. */
CHECK_TEST(form, tui_24_predicted_sizes_are_written_sizes)
{
    static const struct {
        const char *target;
        uint64_t most;
    } row[] = {{"3 MB", 3000000}, {"4.5 bpw", 0}, {"12 MB ram", 12000000}};
    for (size_t i = 0; i < countof(row); i++) {
        char script[400];
        snprintf(script, sizeof script,
                 "size 120x40\nkeys 3\nwait\nkeys j Enter\ntext %s\nkeys Enter\nwait\n"
                 "save-json before\nsave-screen form\nkeys C-r\nwait\nsave-json after\n",
                 row[i].target);
        workbench w = workbench_run(script);
        check(w.status == NB_OK, "%s", w.err.msg);
        const char *before = workbench_screen(&w, "before");
        const char *after = workbench_screen(&w, "after");
        uint64_t said = number_in(before, "\"bytes\":"), is = number_in(after, "\"bytes\":");
        struct stat st;
        check(said && said == is && (!row[i].most || is <= row[i].most), "%s: %llu, then %llu",
              row[i].target, (unsigned long long)said, (unsigned long long)is);
        check(strstr(workbench_screen(&w, "form"), "within "), "%s: not said to be met:\n%s",
              row[i].target, workbench_screen(&w, "form"));
        const char *out = after ? strstr(after, "\"output\":\"") : NULL;
        char path[1024];
        check(out, "no output in %s", after);
        out += strlen("\"output\":\"");
        snprintf(path, sizeof path, "%.*s", (int)strcspn(out, "\""), out);
        check(stat(path, &st) == 0 && (uint64_t)st.st_size == said, "%s", path);
        workbench_free(&w);
    }
}

CHECK_TEST(form, tui_24_a_target_out_of_reach_names_the_nearest)
{
    workbench w = workbench_run("size 120x40\nkeys 3\nwait\nkeys j Enter\ntext 100 kB\nkeys Enter\n"
                                "wait\nsave-screen small\nkeys Enter C-u\ntext 1 MB ram\n"
                                "keys Enter\nwait\nsave-screen ram\nsave-json still\n");
    check(w.status == NB_OK, "%s", w.err.msg);
    check(strstr(workbench_screen(&w, "small"), "the smallest file has"), "%s",
          workbench_screen(&w, "small"));
    check(strstr(workbench_screen(&w, "ram"), "KV cache and buffers"), "%s",
          workbench_screen(&w, "ram"));
    check(strstr(workbench_screen(&w, "still"), "\"preset\":\"Q2_K\""), "the recipe is another: %s",
          workbench_screen(&w, "still"));
    workbench_free(&w);
}

/* --- importance --------------------------------------------------------------------------------
 */

CHECK_TEST(form, collects_importance_chooses_it_and_says_what_it_saw)
{
    enum { SHORT = 4000 }; /* bytes: two chunks of 512 tokens */
    char script[700], path[1024];
    size_t n;
    const char *text = test_path(test_tmpdir(), "short.txt");
    char *whole = test_slurp(test_data("eval.txt"), &n);
    check(whole && n > SHORT, "no text");
    test_spit(text, whole, SHORT);
    free(whole);
    snprintf(script, sizeof script,
             "size 120x40\nkeys 3\nwait\nkeys j j j Enter\ntext %s\nkeys Enter\nwait\n"
             "save-screen done\nkeys C-r\nwait\nsave-json made\n",
             text);
    workbench w = workbench_run(script);
    check(w.status == NB_OK, "%s", w.err.msg);
    check(strstr(workbench_screen(&w, "done"), "Nibble-Demo-imatrix.gguf"), "%s",
          workbench_screen(&w, "done"));
    check(strstr(workbench_screen(&w, "made"), "\"entries\":42"), "%s",
          workbench_screen(&w, "made"));
    nb_imatrix *im = NULL;
    nb_err err = {0};
    snprintf(path, sizeof path, "%s/data/models/Nibble-Demo-imatrix.gguf", w.dir);
    check(nb_imatrix_open(&im, path, &err) == NB_OK, "%s", err.msg);
    check(im->n == 42 && im->n_chunks == 2 && im->n_bad == 0, "%zu entries, %u chunks", im->n,
          im->n_chunks);
    nb_imatrix_close(&im);
    workbench_free(&w);
}

CHECK_TEST(form, a_cancelled_collection_leaves_nothing)
{
    workbench w = workbench_run("size 120x40\nkeys 3\nwait\nkeys j j j Enter Enter x\nwait\n"
                                "save-screen after\n");
    char path[1024];
    check(w.status == NB_OK, "%s", w.err.msg);
    snprintf(path, sizeof path, "%s/data/models/Nibble-Demo-imatrix.gguf", w.dir);
    check(!nb_exists(path) && strstr(workbench_screen(&w, "after"), "imatrix    none"), "%s",
          workbench_screen(&w, "after"));
    workbench_free(&w);
}

CHECK_TEST(form, a_text_that_cannot_be_read_is_said_at_its_field)
{
    workbench w = workbench_run("size 200x50\nkeys 3\nwait\nkeys j j j Enter\ntext no/such.txt\n"
                                "keys Enter\nwait\nsave-screen after\n");
    check(w.status == NB_OK, "%s", w.err.msg);
    check(strstr(workbench_screen(&w, "after"), "no/such.txt"), "%s",
          workbench_screen(&w, "after"));
    workbench_free(&w);
}

/* --- options behind "more" ---------------------------------------------------------------------
 */

CHECK_TEST(form, options_are_the_commands_and_are_copied_as_one)
{
    workbench w = workbench_run(
        "size 120x40\nkeys 3\nwait\ndouble options of\nclick as it is\nkeys Space\n"
        "keys j Enter\ntext blk\\.0\\.ffn_down=q6_K attn_v=q8_0\nkeys Enter j Enter\n"
        "text general.name=str:two words llama.context_length=int:256\nkeys Enter j Enter\n"
        "text 5\nkeys Enter\nsave-screen form\nsave-json plan\nkeys yc\n");
    char path[1024];
    size_t n;
    check(w.status == NB_OK, "%s", w.err.msg);
    const char *plan = workbench_screen(&w, "plan");
    check(plan && !strstr(plan, "blk.5.") && strstr(plan, "blk.4."), "the layer is there: %s",
          plan);
    snprintf(path, sizeof path, "%s/state/clipboard.txt", w.dir);
    char *copied = test_slurp(path, &n);
    check(copied, "nothing was copied");
    static const char *const part[] = {" --leave-output-tensor", " --tensor-type 'attn_v=q8_0'",
                                       " --override-kv 'general.name=str:two words'",
                                       " --override-kv 'llama.context_length=int:256'",
                                       " --prune-layers '5'"};
    for (size_t i = 0; i < countof(part); i++)
        check(strstr(copied, part[i]), "%s is missing in %s", part[i], copied);
    free(copied);
    workbench_free(&w);
}

/* A layer there is not, a pattern that is none: refused where they were typed. */
CHECK_TEST(form, options_that_leave_no_plan_are_refused_at_the_field)
{
    workbench w = workbench_run(
        "size 120x40\nkeys 3\nwait\ndouble options of\nclick embed\nkeys Enter\ntext iq1_s\n"
        "keys Enter\nsave-screen type\nkeys Esc j j Enter\ntext (=q4_K\nkeys Enter\n"
        "save-screen pattern\nkeys Esc\nsave-json plan\n");
    check(w.status == NB_OK, "%s", w.err.msg);
    check(strstr(workbench_screen(&w, "type"), "Enter accepts") &&
              strstr(workbench_screen(&w, "type"), "iq1_s"),
          "%s", workbench_screen(&w, "type"));
    check(strstr(workbench_screen(&w, "pattern"), "Enter accepts"), "%s",
          workbench_screen(&w, "pattern"));
    check(strstr(workbench_screen(&w, "plan"), "\"preset\":\"Q2_K\""), "%s",
          workbench_screen(&w, "plan"));
    workbench_free(&w);
}

/* --- a second quantizing -----------------------------------------------------------------------
 */

CHECK_TEST(form, a_second_quantizing_tells_its_damage_before)
{
    workbench w =
        workbench_run("size 200x50\nkeys 3\nwait\nkeys C-r\nwait\nkeys 1\nwait\nkeys j Q\n"
                      "wait\nkeys l l l l l l l l l\nwait\nsave-screen form\nkeys 3\nkeys j j j j "
                      "j j Space\nwait\n"
                      "save-screen allowed\n");
    check(w.status == NB_OK, "%s", w.err.msg);
    const char *form = workbench_screen(&w, "form");
    check(strstr(form, "requantize [ ] even if quantized  needed") &&
              strstr(form, "25 tensors from q2_K to q4_K: adds ") && strstr(form, "expect "),
          "%s", form);
    check(strstr(workbench_screen(&w, "allowed"), "dry run") &&
              strstr(workbench_screen(&w, "allowed"), "from q2_K to q4_K"),
          "%s", workbench_screen(&w, "allowed"));
    workbench_free(&w);
}

/* --- a split model -----------------------------------------------------------------------------
 */

/* The demo in two shards, in a home of its own: dir[512], home[560] as HOME=. */
static void split_demo(const char *name, char *dir, char *home)
{
    char path[1100];
    snprintf(dir, 512, "%s", test_path(test_tmpdir(), name));
    check(nb_mkdirs(dir, NULL) == NB_OK, "%s", dir);
    snprintf(home, 560, "HOME=%s", dir);
    snprintf(path, sizeof path, "%s", test_path(dir, "whole.gguf"));
    child c = child_run(
        &(child_how){.args = {"quantize", "demo", "-t", "BF16", "-o", path}, .env = {home}});
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    quant_split(path, test_path(dir, "demo"), 2);
}

CHECK_TEST(form, keeps_a_split_model_split_and_counts_names_up)
{
    char dir[512], home[560], script[1200], path[1100];
    split_demo("form-split", dir, home);
    snprintf(script, sizeof script,
             "size 120x40\nkeys 3\nwait\ndouble options of\nclick as many\nkeys Space\nkeys C-r\n"
             "wait\nkeys C-r\nwait\nsave-screen done\n");
    test_spit(test_path(dir, "script"), script, strlen(script));
    child c = child_run(&(child_how){
        .args = {"demo-00001-of-00002.gguf", "--script", "script"}, .env = {home}, .dir = dir});
    check(c.code == 0, "%s", c.err);
    for (int run = 0; run < 2; run++)
        for (int shard = 1; shard <= 2; shard++) {
            snprintf(path, sizeof path,
                     "%s/.local/share/nibble/models/Nibble-Demo-Q4_K_M%s-%05d-of-00002.gguf", dir,
                     run ? "-2" : "", shard);
            check(nb_exists(path), "%s is not there", path);
        }
    child_free(&c);
    char **names;
    size_t n;
    snprintf(path, sizeof path, "%s/.local/share/nibble/models", dir);
    check(nb_names_in(path, &names, &n, NULL) == NB_OK && n == 4, "%s: %zu files", path, n);
    nb_names_free(names, n);
}

/* The set is one: where its second file cannot be written, nothing is left of the first. */
CHECK_TEST(form, a_split_model_is_written_whole_or_not_at_all)
{
    char dir[512], home[560], path[1100];
    split_demo("form-set", dir, home);
    static const char script[] =
        "size 120x40\nkeys 3\nwait\ndouble options of\nclick as many\nkeys Space\nkeys C-r\n"
        "wait\nsave-screen done\nsave-json seen\n";
    test_spit(test_path(dir, "script"), script, sizeof script - 1);
    snprintf(path, sizeof path,
             "%s/.local/share/nibble/models/Nibble-Demo-Q4_K_M-00002-of-00002.gguf.part", dir);
    check(nb_mkdirs(path, NULL) == NB_OK, "%s", path);
    child c = child_run(&(child_how){
        .args = {"demo-00001-of-00002.gguf", "--script", "script"}, .env = {home}, .dir = dir});
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    char **names;
    size_t n;
    snprintf(path, sizeof path, "%s/.local/share/nibble/models", dir);
    check(nb_names_in(path, &names, &n, NULL) == NB_OK && n == 1, "%s: %zu files", path, n);
    nb_names_free(names, n);
}

/* A saved recipe is found by its name in the palette, and is the form's at once. */
CHECK_TEST(form, the_palette_loads_a_recipe)
{
    workbench w = workbench_run("size 120x40\nwait\nkeys 3\nwait\nkeys w\ntext mine\nkeys Enter\n"
                                "keys 1\nkeys :\ntext mine\nsave-screen palette\nkeys Enter\n"
                                "save-screen loaded\ncommand recipe.load nothing\n"
                                "save-screen missing\n");
    const char *palette = workbench_screen(&w, "palette"), *loaded = workbench_screen(&w, "loaded"),
               *missing = workbench_screen(&w, "missing");
    check(w.status == NB_OK, "%s", w.err.msg);
    check(palette && strstr(palette, "Quantize: recipe: mine"), "%s", palette);
    check(loaded && strstr(loaded, "[3 Quantize]") && strstr(loaded, "mine"), "%s", loaded);
    check(missing && strstr(missing, "nothing"), "%s", missing);
    workbench_free(&w);
}

/* Killed behind the rename of the second shard, when the first has no name yet: the same again
 * finishes that set and makes no other. */
CHECK_TEST(form, tui_13_a_split_model_killed_while_it_is_named_is_finished)
{
    if (TEST_THIN > 1)
        check_skip("nothing can be preloaded before a sanitizer");
    char dir[512], home[560], path[1100], preload[600];
    split_demo("form-named", dir, home);
    snprintf(preload, sizeof preload, "LD_PRELOAD=%.*s/tests/preload.so",
             (int)(strrchr(child_nibble, '/') - child_nibble), child_nibble);
    static const char script[] =
        "size 120x40\nkeys 3\nwait\ndouble options of\nclick as many\nkeys Space\nkeys C-r\nwait\n";
    test_spit(test_path(dir, "script"), script, sizeof script - 1);
    child_how how = {.args = {"demo-00001-of-00002.gguf", "--script", "script"},
                     .env = {home, preload, "NB_KILL_AFTER=rename 1"},
                     .dir = dir,
                     .may_die = true};
    for (int again = 0; again < 2; again++) {
        child c = child_run(&how);
        check(c.code == (again ? 0 : 1009), "status %d: %s", c.code, c.err);
        child_free(&c);
        for (int shard = 1; shard <= 2; shard++) {
            snprintf(path, sizeof path,
                     "%s/.local/share/nibble/models/Nibble-Demo-Q4_K_M-%05d-of-00002.gguf", dir,
                     shard);
            check(nb_exists(path) == (again || shard == 2), "run %d: %s", again, path);
        }
        how.env[1] = NULL;
    }
    char **names;
    size_t n;
    snprintf(path, sizeof path, "%s/.local/share/nibble/models", dir);
    check(nb_names_in(path, &names, &n, NULL) == NB_OK && n == 2, "%s: %zu files", path, n);
    nb_names_free(names, n);
}
