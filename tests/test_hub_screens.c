/* The screens of the Hub: its list on Models, a repository, downloads, the account and the first
 * start, held against goldens and looked at for cut words (tui 2), on a fake Hub whose shelf is the
 * same in every run. */
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/str.h"
#include "tests/check.h"
#include "tests/hub_shelf.h"
#include "tests/run_child.h"
#include "tests/stage.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What could lead elsewhere than to the fake Hub; a test's own process ends with it or not, so all
 * of it is put back. */
static const char *const names[] = {"HF_ENDPOINT",
                                    "HF_HOME",
                                    "HF_TOKEN",
                                    "HUGGING_FACE_HUB_TOKEN",
                                    "HF_TOKEN_PATH",
                                    "HF_HUB_CACHE",
                                    "HF_HUB_OFFLINE",
                                    "TRANSFORMERS_OFFLINE",
                                    "http_proxy",
                                    "HTTP_PROXY",
                                    "all_proxy",
                                    "ALL_PROXY",
                                    "HF_HUB_DOWNLOAD_TIMEOUT",
                                    "HF_HUB_ETAG_TIMEOUT"};
static char *kept[countof(names)];

/* demo: as stage_begin takes it. */
static fake_hub *begin(stage *s, const char *name, const char *demo)
{
    char dir[512];
    snprintf(dir, sizeof dir, "%s", test_path(test_tmpdir(), name));
    fake_hub *hub = shelf_start(test_path(dir, "shelf"), 0);
    for (size_t i = 0; i < countof(names); i++) {
        const char *was = getenv(names[i]);
        kept[i] = was ? strdup(was) : NULL;
        unsetenv(names[i]);
    }
    setenv("HF_ENDPOINT", fake_hub_origin(hub, FAKE_HUB), 1);
    setenv("HF_HOME", "../hf", 1);
    stage_begin(s, name, demo);
    s->opt.offline = false;
    strcpy(s->cfg.hf_hub, "../hf/hub");
    return hub;
}

static void end(fake_hub *hub)
{
    for (size_t i = 0; i < countof(names); i++) {
        if (kept[i])
            setenv(names[i], kept[i], 1);
        else
            unsetenv(names[i]);
        free(kept[i]);
    }
    fake_hub_stop(&hub);
}

CHECK_TEST(hub_screens, tui_2_they_match_their_goldens)
{
    stage s;
    fake_hub *hub = begin(&s, "hub", NULL);
    stage_goldens(&s, "hub");
    stage_leave();
    end(hub);
}

CHECK_TEST(hub_screens, tui_2_they_cut_no_word)
{
    stage s;
    fake_hub *hub = begin(&s, "layout-hub", NULL);
    stage_whole_words(&s, "hub");
    end(hub);
}

/* --- promises -------------------------------------------------------------------------------- */

static nb_json *load(const char *file)
{
    nb_json *doc = NULL;
    nb_err err = {0};
    check(nb_json_load(&doc, file, 1 << 20, &err) == NB_OK, "%s", err.msg);
    return doc;
}

/* The member of a list whose text `key` ends so; NULL = none. */
static const nb_jval *ending(const nb_jval *list, const char *key, const char *end_of)
{
    const char *s;
    for (const nb_jval *v = nb_jfirst(list); v; v = nb_jnext(v))
        if (nb_jstr(nb_jget(v, key), &s) && nb_has_suffix(s, end_of))
            return v;
    return NULL;
}

static double figure(const nb_jval *model, const char *key)
{
    double d = -1;
    nb_jnum(nb_jget(nb_jget(model, "fit"), key), &d);
    return d;
}

/* tui 21: one memory figure, before a byte of it is fetched, on Models once it is here, and from
 * the command; Quantize and Chat: below. */
CHECK_TEST(hub_screens, tui_21_the_fit_is_the_same_before_and_after_a_download)
{
    static const char *const keys[] = {"ctx", "weights", "kv", "compute", "total"};
    stage s;
    const char *path = "";
    fake_hub *hub = begin(&s, "fit", NULL);
    stage_play(&s, "size 120x40\nwait\nkeys u\nwait\nkeys /\ntext reed gguf\nkeys Enter\nwait\n"
                   "keys Enter\nwait\nsave-json detail\nkeys j d\nwait\nkeys 1\nwait\nkeys u u\n"
                   "wait\nsave-json models\n");
    nb_json *detail = load("detail"), *models = load("models");
    const nb_jval *before = ending(nb_jget(nb_json_root(detail), "choices"), "name", "Q8_0"),
                  *after = ending(nb_jget(nb_json_root(models), "models"), "path", "Q8_0.gguf");
    nb_jstr(nb_jget(after, "path"), &path);
    char *full = realpath(path, NULL);
    stage_leave();
    end(hub);
    check(before && after && full, "not listed: %s", path);
    child c = child_run(&(child_how){.args = {"show", "--json", full}});
    nb_json *shown = child_json(&c);
    for (size_t i = 0; i < countof(keys); i++) {
        double a = figure(before, keys[i]), b = figure(after, keys[i]),
               show = figure(nb_json_root(shown), keys[i]);
        check(a > 0 && a == b && b == show, "%s: %.0f on its page, %.0f on Models, %.0f by show",
              keys[i], a, b, show);
    }
    child_free(&c);
    free(full);
    nb_json_close(&shown);
    nb_json_close(&detail);
    nb_json_close(&models);
}

static bool shows(const char *file, const char *text)
{
    size_t n;
    char *got = test_slurp(file, &n);
    bool found = got && strstr(got, text);
    free(got);
    return found;
}

/* tui 21: the file Quantize has not written yet, then on Models; a pane refuses with that figure.
 */
CHECK_TEST(hub_screens, tui_21_quantize_and_chat_say_what_models_says)
{
    stage s;
    char want[64], size[16];
    fake_hub *hub = begin(&s, "fit-local", "nibble-demo");
    stage_play(&s, "size 120x40\nwait\nsave-json demo\nkeys 3\nwait\nsave-screen quantize\n"
                   "keys C-r\nwait\nkeys 1\nwait\nsave-json models\n");
    nb_json *demo = load("demo"), *models = load("models");
    double source = figure(nb_jfirst(nb_jget(nb_json_root(demo), "models")), "total"),
           made = figure(ending(nb_jget(nb_json_root(models), "models"), "path", ".gguf"), "total");
    snprintf(want, sizeof want, "FITS  %s of", nb_human_bytes(size, (uint64_t)made));
    bool quantize = made > 0 && shows("quantize", want);
    s.cfg.ram_limit = 10000000;
    stage_play(&s, "size 120x40\nwait\nkeys t\nwait\nsave-screen chat\n");
    snprintf(want, sizeof want, "needs %s", nb_human_bytes(size, (uint64_t)source));
    bool chat = source > 0 && shows("chat", want);
    nb_json_close(&demo);
    nb_json_close(&models);
    stage_leave();
    end(hub);
    check(quantize, "Quantize does not say what Models says: %.0f", made);
    check(chat, "Chat does not say \"%s\"", want);
}

/* While the Hub's list has the keys none of them does anything to the local models behind it. */
CHECK_TEST(hub_screens, keys_for_the_hub_leave_local_models_alone)
{
    stage s;
    bool marked = true;
    fake_hub *hub = begin(&s, "behind", "nibble-demo");
    stage_play(&s, "size 120x40\nwait\nkeys u\nwait\nkeys Space v * Del W S\nsave-screen hub\n"
                   "keys Esc u u u\nwait\nsave-json models\n");
    nb_json *models = load("models");
    const nb_jval *list = nb_jget(nb_json_root(models), "models");
    size_t n = nb_jlen(list);
    nb_jbool(nb_jget(nb_jfirst(list), "marked"), &marked);
    bool asks = shows("hub", "sure?");
    nb_json_close(&models);
    stage_leave();
    end(hub);
    check(n == 1 && !marked && !asks, "%zu models, marked %d, asks %d", n, marked, asks);
}

/* tui 20 for the Hub: the search stays over orders and views. A row of an older search is not
 * opened while a newer one is still typed. */
CHECK_TEST(hub_screens, a_search_stays_and_its_rows_are_its_own)
{
    stage s;
    fake_hub *hub = begin(&s, "search", NULL);
    stage_play(&s, "size 120x40\nwait\nkeys u\nwait\nkeys /\ntext lock\nclick lock-lm\n"
                   "keys Enter\nsave-screen typed\nframes 5\nwait\nkeys s s u u u\nwait\n"
                   "save-screen kept\nkeys Enter\nwait\nsave-screen page\n");
    bool stays = shows("typed", "still being asked") && shows("typed", "[1 Models");
    bool held = shows("kept", "/ lock") && shows("kept", "lock-lm/Lock-1M-GGUF") &&
                !shows("kept", "reed-lm");
    bool page = shows("page", "Models > lock-lm/Lock-1M-GGUF");
    stage_leave();
    end(hub);
    check(stays, "a row of the older search was opened");
    check(held && page, "the search is lost: kept %d, page %d", held, page);
}
