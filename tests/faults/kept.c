/* Scenarios of what is kept and sent as text: sessions, recipes, a theme and keys of the user's
 * own, the Hub's and an endpoint's answers (A11, A13). */
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/model/session_file.h"
#include "core/quant/recipe_file.h"
#include "downloads/hub_private.h"
#include "downloads/remote_own.h"
#include "kernels/cpu.h"
#include "tests/faults/faults.h"
#include "tests/util.h"
#include "tui/keys.h"
#include "tui/theme.h"

static const char *file(const char *name)
{
    return test_path(test_path(test_tmpdir(), "kept"), name);
}

/* --- a session ---------------------------------------------------------------------------------
 */

static struct {
    nb_weights *w;
    nb_model *m;
    nk_ops ops;
    nb_session *s, *back;
} engine;
static const int32_t ids[] = {5, 6, 7};

static void open_engine(void)
{
    nb_session_options opt = {.n_ctx = 16};
    nb_err err = {0};
    size_t reused;
    nk_ops_init(&engine.ops, nk_cpu_detect());
    fault_check(nb_weights_open(&engine.w, test_data("nibble-demo"), &err) == NB_OK &&
                    nb_model_open(&engine.m, engine.w, &err) == NB_OK &&
                    nb_session_open(&engine.s, engine.m, &engine.ops, NULL, &opt, &err) == NB_OK &&
                    nb_session_open(&engine.back, engine.m, &engine.ops, NULL, &opt, &err) ==
                        NB_OK &&
                    nb_session_feed(engine.s, ids, countof(ids), &reused, NULL, &err) == NB_OK,
                "%s", err.msg);
}

static void close_engine(void)
{
    nb_session_close(&engine.back);
    nb_session_close(&engine.s);
    nb_model_close(&engine.m);
    nb_weights_close(&engine.w);
}

static void old_session(void)
{
    open_engine();
    fault_check(nb_mkdirs(file(""), NULL) == NB_OK, "mkdirs");
    test_spit(file("session"), "old", 3);
}

static nb_status keep_session(nb_err *err)
{
    NB_TRY(nb_session_save(engine.s, file("session"), NULL, err));
    return nb_session_restore(engine.back, file("session"), NULL, err);
}

/* The old file or the whole new one; a sequence that failed is empty or the one that came back. */
static void session_is_whole(nb_status status)
{
    nb_err err = {0};
    size_t n, had;
    char *text = test_slurp(file("session"), &n);
    bool old = text && n == 3 && memcmp(text, "old", 3) == 0;
    const int32_t *got = nb_session_tokens(engine.back, &had);
    free(text);
    fault_check(!old || status != NB_OK, "success, but the old file stands");
    fault_check(had == 0 || (had == countof(ids) && memcmp(got, ids, sizeof ids) == 0),
                "%zu tokens", had);
    fault_check(!nb_exists(file("session.part")), "a part is left");
    fault_check(old || nb_session_restore(engine.back, file("session"), NULL, &err) == NB_OK, "%s",
                err.msg);
    close_engine();
}
FAULT_SCENARIO(session_save, old_session, keep_session, session_is_whole);

/* --- a recipe ----------------------------------------------------------------------------------
 */

static const char recipe[] = "# small\npreset Q4_K_M\npure\nleave-output-tensor\n"
                             "output-tensor-type q6_K\ntoken-embedding-type q4_K\n"
                             "rule ffn_down@first/8,more=q6_K\n";
static const char before_recipe[] = "preset Q8_0\n";

static nb_config recipe_config(void)
{
    nb_config c = {.writable = true};
    snprintf(c.data_dir, sizeof c.data_dir, "%s", file("data"));
    return c;
}

static void old_recipe(void)
{
    fault_check(nb_mkdirs(file("data/recipes"), NULL) == NB_OK, "mkdirs");
    test_spit(file("data/recipes/mine.recipe"), before_recipe, sizeof before_recipe - 1);
}

static void count_name(void *ud, const char *name)
{
    ++*(int *)ud;
    fault_check(strcmp(name, "mine") == 0, "%s", name);
}

static nb_status keep_recipe(nb_err *err)
{
    nb_config cfg = recipe_config();
    nb_recipe r, back;
    int names = 0;
    NB_TRY(nb_recipe_parse(&r, recipe, sizeof recipe - 1, "text", err));
    NB_TRY(nb_recipe_save(&r, &cfg, "mine", true, err));
    NB_TRY(nb_recipe_load(&back, &cfg, "mine", err));
    fault_check(back.preset == r.preset && back.pure && back.leave_output && back.n_rules == 1 &&
                    back.output_type == r.output_type && back.embd_type == r.embd_type,
                "another recipe");
    NB_TRY(nb_recipe_each(&cfg, count_name, &names, err));
    fault_check(names == 1, "%d recipes", names);
    return NB_OK;
}

static void recipe_is_whole(nb_status status)
{
    size_t n;
    char *text = test_slurp(file("data/recipes/mine.recipe"), &n);
    bool new = text &&strcmp(text, recipe + strlen("# small\n")) == 0;
    fault_check(new || (status != NB_OK && text && strcmp(text, before_recipe) == 0), "%s",
                text ? text : "(gone)");
    free(text);
}
FAULT_SCENARIO(recipe_save, old_recipe, keep_recipe, recipe_is_whole);

/* --- a theme and keys --------------------------------------------------------------------------
 */

static void own_theme(void)
{
    static const char theme[] = "name = mine\ninherits = default\n[palette]\nred = #ff0000\n"
                                "[roles]\ntext = red default bold | underline\n";
    fault_check(nb_mkdirs(file("themes"), NULL) == NB_OK, "mkdirs");
    test_spit(file("themes/mine.theme"), theme, sizeof theme - 1);
}

static nb_status read_look(nb_err *err)
{
    static const char conf[] = "# own\nany.help = F1 C-x gg\nmodels.search =\nnope = x\n"
                               "any.quit = NoSuchKey\nchat.send = C-x\n";
    ui_theme theme;
    ui_keymap *keys = NULL;
    nb_str warnings = {0}, edited = {0};
    char dir[700];
    snprintf(dir, sizeof dir, "%s", file("themes"));
    NB_TRY(ui_theme_load(&theme, "mine", dir, err));
    fault_check(theme.role[UI_TEXT].fg == 0xff0000, "the colour is %x",
                (unsigned)theme.role[UI_TEXT].fg);
    nb_status st = ui_keymap_open(&keys, conf, sizeof conf - 1, &warnings, err);
    fault_check((st == NB_OK) == (keys != NULL), "output without success");
    if (st == NB_OK)
        ui_keymap_edit(&edited, conf, sizeof conf - 1, UI_ACT_ANY_HELP, "F1");
    if (st == NB_OK && (warnings.failed || edited.failed))
        st = nb_fail(err, NB_NOMEM, "no memory for a text");
    fault_check(st != NB_OK || (warnings.len && strstr(edited.at, "any.help = F1\n")), "%s",
                edited.at);
    nb_str_free(&warnings);
    nb_str_free(&edited);
    ui_keymap_close(&keys);
    return st;
}
FAULT_SCENARIO(theme_and_keys, own_theme, read_look, NULL);

/* --- answers -----------------------------------------------------------------------------------
 */

#define ONE_MODEL                                                                                  \
    "{\"id\":\"a/b-7B\",\"tags\":[\"license:mit\",\"base_model:quantized:a/"                       \
    "c\"],\"gated\":\"auto\","                                                                     \
    "\"cardData\":{\"license\":[\"mit\"],\"base_model\":\"a/c\"}}"
static const char model[] = ONE_MODEL;
static const char models[] =
    "[" ONE_MODEL ",{\"id\":\"a/d\",\"config\":{\"model_type\":\"llama\"},\"gguf\":{\"total\":5},"
    "\"safetensors\":{\"parameters\":{\"F16\":5}}},{\"id\":\"a/e\"}]";
static const char tree[] =
    "[{\"type\":\"file\",\"path\":\"x.gguf\",\"size\":3,\"oid\":"
    "\"0123456789012345678901234567890123456789\"},{\"type\":\"directory\",\"path\":\"d\"},"
    "{\"type\":\"file\",\"path\":\"d/"
    "w\xc3\xa4.bin\",\"size\":1,\"lfs\":{\"oid\":\"x\",\"size\":9}}]";
static const char security[] =
    "[{\"path\":\"x.gguf\",\"securityFileStatus\":{\"status\":\"safe\"}},{\"path\":\"y\"}]";
static const char events[] = "\xef\xbb\xbf: hello\r\ndata: {\"a\":1,\rdata: \"b\":2}\n\n"
                             "event: x\ndata:[DONE]\n\n";

static nb_status read_models(nb_err *err)
{
    dl_page page = {.n = 0};
    dl_model m;
    nb_status st = dl_json_models(models, sizeof models - 1, "models", &page, err);
    fault_check(st != NB_OK || (page.n == 3 && page.dropped == 0), "%zu models", page.n);
    dl_page_free(&page);
    NB_TRY(st);
    NB_TRY(dl_json_model(model, sizeof model - 1, "model", &m, err));
    fault_check(strcmp(m.base_model, "a/c") == 0, "base %s", m.base_model);
    return NB_OK;
}

static nb_status read_tree(nb_err *err)
{
    dl_repo r = {.n_file = 0};
    nb_status st = dl_json_tree(tree, sizeof tree - 1, "tree", &r, err);
    if (st == NB_OK) {
        dl_repo_settle(&r);
        st = dl_json_security(security, sizeof security - 1, "security", &r, err);
        fault_check(r.n_file == 2 && strcmp(r.file[1].path, "x.gguf") == 0, "%zu files", r.n_file);
        fault_check(st != NB_OK || strcmp(r.file[1].security, "safe") == 0, "security");
    }
    dl_repo_free(&r);
    return st;
}

/* In pieces of seven bytes. What lacks memory says so and ends. */
static nb_status read_events(nb_err *err)
{
    dl_sse s = {0};
    char *data;
    size_t n, seen = 0;
    for (size_t at = 0; at < sizeof events - 1; at += 7) {
        dl_sse_push(&s, events + at, sizeof events - 1 - at < 7 ? sizeof events - 1 - at : 7);
        while (dl_sse_next(&s, &data, &n))
            fault_check(strcmp(data, seen++ ? "[DONE]" : "{\"a\":1,\n\"b\":2}") == 0, "%s", data);
    }
    nb_status st = s.in.failed || s.data.failed ? nb_fail(err, NB_NOMEM, "no memory") : NB_OK;
    fault_check(st != NB_OK || seen == 2, "%zu events", seen);
    dl_sse_free(&s);
    return st;
}

static nb_status read_answers(nb_err *err)
{
    NB_TRY(read_models(err));
    NB_TRY(read_tree(err));
    return read_events(err);
}
FAULT_SCENARIO(answers, NULL, read_answers, NULL);
