/* Every screen has a --json twin with equal numbers (tui 29): the workbench saves a screen's JSON,
 * the command runs on the same files, and every value the command tells must be on the screen's
 * side, under the same key, equal to the last digit. Times are measured twice and only have to be
 * there. */
#include "core/base/file.h"
#include "tests/check.h"
#include "tests/run_child.h"
#include "tests/stage.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Both sides may use that much memory, so that neither asks the machine what is free. */
static const uint64_t RAM = 1000000000;

/* A stage and what the commands need to see it as the screens do. */
typedef struct twins {
    stage s;
    char cwd[512], config_home[600];
} twins;

static void begin(twins *t, const char *name)
{
    char path[700], home[560];
    nb_err err = {0};
    stage_begin(&t->s, name, "nibble-demo");
    t->s.opt.cpu = NULL;
    t->s.cfg.ram_limit = RAM;
    check(getcwd(t->cwd, sizeof t->cwd), "cwd");
    snprintf(home, sizeof home, "%s/../xdg", t->cwd);
    snprintf(t->config_home, sizeof t->config_home, "XDG_CONFIG_HOME=%s", home);
    snprintf(path, sizeof path, "%s/nibble", home);
    check(nb_mkdirs(path, &err) == NB_OK, "%s", err.msg);
    snprintf(path, sizeof path, "%s/nibble/config", home);
    static const char limit[] = "ram-limit = 1000000000\n";
    test_spit(path, limit, sizeof limit - 1);
}

/* The command's document; args end with NULL. */
static nb_json *command(const twins *t, const char *const *args)
{
    child_how how = {.dir = t->cwd, .env = {t->config_home}};
    int n = 0;
    for (; args[n]; n++)
        how.args[n] = args[n];
    how.args[n] = "--json";
    child c = child_run(&how);
    nb_json *doc = child_json(&c);
    child_free(&c);
    return doc;
}
#define COMMAND(t, ...) command(t, (const char *const[]){__VA_ARGS__, NULL})

static nb_json *load(const char *file)
{
    nb_json *doc = NULL;
    nb_err err = {0};
    nb_status st = nb_json_load(&doc, file, 64 << 20, &err);
    if (st != NB_OK)
        stage_leave();
    check(st == NB_OK, "%s", err.msg);
    return doc;
}

static const char *text_of(const nb_jval *obj, const char *key)
{
    const char *s = "";
    nb_jstr(nb_jget(obj, key), &s);
    return s;
}

/* The element of a list whose member `key` says that; NULL = none does. */
static const nb_jval *pick(const nb_jval *list, const char *key, const char *value)
{
    for (const nb_jval *v = nb_jfirst(list); v; v = nb_jnext(v))
        if (strcmp(text_of(v, key), value) == 0)
            return v;
    return NULL;
}

/* --- the comparison -------------------------------------------------------------------------- */

typedef struct compared {
    size_t numbers; /* found equal */
    nb_str wrong;   /* a line for each that is not */
    char path[200];
} compared;

static bool measured(const char *key)
{
    static const char *const times[] = {"seconds", "tok_per_s", "ttft_s"};
    for (size_t i = 0; key && i < countof(times); i++)
        if (strcmp(times[i], key) == 0)
            return true;
    return false;
}

static bool leaf_equal(const nb_jval *a, const nb_jval *b, bool any_number)
{
    double x = 0, y = 0;
    bool p = false, q = false;
    const char *s = "", *t = "";
    if (nb_jkind_of(a) != nb_jkind_of(b))
        return false;
    if (nb_jnum(a, &x) && nb_jnum(b, &y))
        return any_number || x == y;
    if (nb_jbool(a, &p) && nb_jbool(b, &q))
        return p == q;
    nb_jstr(a, &s);
    nb_jstr(b, &t);
    return strcmp(s, t) == 0;
}

/* Every value of the command's document at the same place of the screen's. */
static void compare(compared *c, const nb_jval *cmd, const nb_jval *screen)
{
    size_t at = strlen(c->path), i = 0;
    nb_jkind kind = nb_jkind_of(cmd);
    bool list = kind == NB_JARRAY;
    if (kind != NB_JOBJECT && !list) {
        if (!screen || !leaf_equal(cmd, screen, measured(nb_jkey(cmd))))
            nb_str_addf(&c->wrong, "%s\n", c->path);
        c->numbers += kind == NB_JNUMBER;
        return;
    }
    if (list && nb_jlen(cmd) != nb_jlen(screen))
        nb_str_addf(&c->wrong, "%s: %zu elements, on the screen %zu\n", c->path, nb_jlen(cmd),
                    nb_jlen(screen));
    const nb_jval *other = list ? nb_jfirst(screen) : NULL;
    for (const nb_jval *v = nb_jfirst(cmd); v; v = nb_jnext(v), i++) {
        if (list)
            snprintf(c->path + at, sizeof c->path - at, ".%zu", i);
        else
            snprintf(c->path + at, sizeof c->path - at, ".%s", nb_jkey(v));
        compare(c, v, list ? other : nb_jget(screen, nb_jkey(v)));
        other = other ? nb_jnext(other) : NULL;
        c->path[at] = '\0';
    }
}

/* At least that many numbers are equal, and nothing differs. */
static void same(const char *what, const nb_jval *cmd, const nb_jval *screen, size_t numbers)
{
    compared c = {0};
    compare(&c, cmd, screen);
    if (c.wrong.len || c.numbers < numbers)
        stage_leave();
    check(c.wrong.len == 0, "%s, other or missing on the screen:\n%.2000s", what,
          nb_str_c(&c.wrong));
    check(c.numbers >= numbers, "%s: only %zu numbers", what, c.numbers);
}

CHECK_TEST(twin, the_comparison_sees_what_differs)
{
    static const struct {
        const char *cmd, *screen;
        bool equal;
    } row[] = {{"{\"a\":1}", "{\"b\":2,\"a\":1}", true},
               {"{\"a\":1,\"b\":2}", "{\"a\":1}", false},
               {"{\"a\":1}", "{\"a\":1.0000000000000002}", false},
               {"{\"a\":[1,2]}", "{\"a\":[1,2,3]}", false},
               {"{\"a\":[{\"x\":1},{\"x\":2}]}", "{\"a\":[{\"x\":1},{\"x\":3}]}", false},
               {"{\"a\":null}", "{}", false},
               {"{\"a\":null}", "{\"a\":0}", false},
               {"{\"seconds\":1}", "{\"seconds\":2}", true},
               {"{\"seconds\":1}", "{\"seconds\":null}", false},
               {"{\"a\":\"x\",\"b\":true}", "{\"a\":\"x\",\"b\":false}", false}};
    for (size_t i = 0; i < countof(row); i++) {
        nb_json *a = NULL, *b = NULL;
        nb_err err = {0};
        check(nb_json_parse(&a, row[i].cmd, strlen(row[i].cmd), 1000, "a", &err) == NB_OK &&
                  nb_json_parse(&b, row[i].screen, strlen(row[i].screen), 1000, "b", &err) == NB_OK,
              "%s", err.msg);
        compared c = {0};
        compare(&c, nb_json_root(a), nb_json_root(b));
        check((c.wrong.len == 0) == row[i].equal, "%s and %s: %s", row[i].cmd, row[i].screen,
              nb_str_c(&c.wrong));
        nb_str_free(&c.wrong);
        nb_json_close(&a);
        nb_json_close(&b);
    }
}

/* --- screen by screen ------------------------------------------------------------------------ */

/* A quantized file beside the demo, as every script below begins. */
#define MAKE "size 120x40\nkeys 3\nwait\nsave-json plan\nkeys C-r\nwait\nsave-json run\n"

/* Of what show tells, keys and tensors are on Inspect, all else on Models. */
CHECK_TEST(twin, tui_29_models_and_inspect_say_what_show_says)
{
    twins t;
    begin(&t, "twin-show");
    stage_play(&t.s, MAKE "keys 1\nwait\nsave-json models\nkeys gg Enter\nwait\nsave-json first\n"
                          "keys 1\nkeys j Enter\nwait\nsave-json second\n");
    nb_json *models = load("models");
    static const char *const inspected[] = {"first", "second"};
    for (size_t i = 0; i < countof(inspected); i++) {
        nb_json *inspect = load(inspected[i]);
        const char *path = text_of(nb_json_root(inspect), "path");
        nb_json *show = COMMAND(&t, "show", path);
        const nb_jval *row = pick(nb_jget(nb_json_root(models), "models"), "path", path);
        compared c = {0};
        for (const nb_jval *v = nb_jfirst(nb_json_root(show)); v; v = nb_jnext(v)) {
            bool inside = strcmp(nb_jkey(v), "keys") == 0 || strcmp(nb_jkey(v), "tensors") == 0;
            snprintf(c.path, sizeof c.path, "%s", nb_jkey(v));
            compare(&c, v, nb_jget(inside ? nb_json_root(inspect) : row, nb_jkey(v)));
        }
        if (c.wrong.len)
            stage_leave();
        check(c.wrong.len == 0, "show %s, other or missing on the screen:\n%.2000s", path,
              nb_str_c(&c.wrong));
        check(c.numbers > 150 && row, "%zu numbers", c.numbers);
        double available = 0;
        nb_jnum(nb_jget(nb_jget(row, "fit"), "available"), &available);
        check(available == (double)RAM, "the limit holds: %f", available);
        nb_json_close(&show);
        nb_json_close(&inspect);
    }
    nb_json_close(&models);
    stage_leave();
}

/* A tensor with and without a file to compare with, and a block of it. */
CHECK_TEST(twin, tui_29_inspect_says_what_the_command_says)
{
    twins t;
    begin(&t, "twin-inspect");
    stage_play(&t.s, MAKE "keys 1\nwait\nkeys j Enter\nwait\nkeys j j j Enter l l l\n"
                          "save-json against\nkeys 1\nkeys gg Enter\nwait\nsave-json alone\n");
    nb_json *run = load("run"), *against = load("against"), *alone = load("alone");
    const char *source = text_of(nb_json_root(run), "source"),
               *out = text_of(nb_json_root(run), "output");
    static const char *const names[] = {"blk.0.attn_k.weight", "output.weight",
                                        "blk.3.ffn_norm.weight", "blk.5.ffn_down.weight"};
    for (size_t i = 0; i < countof(names); i++) {
        nb_json *cmd = i ? COMMAND(&t, "inspect", out, names[i], "--against", source)
                         : COMMAND(&t, "inspect", out, names[i], "--against", source, "-b", "3");
        same(names[i], nb_json_root(cmd),
             pick(nb_jget(nb_json_root(against), "tensors"), "name", names[i]), i ? 30 : 1000);
        nb_json_close(&cmd);
    }
    const nb_jval *first = nb_jfirst(nb_jget(nb_json_root(alone), "tensors"));
    nb_json *cmd = COMMAND(&t, "inspect", source, text_of(first, "name"));
    same("without a file to compare with", nb_json_root(cmd), first, 30);
    nb_json_close(&cmd);
    nb_json_close(&run);
    nb_json_close(&against);
    nb_json_close(&alone);
    stage_leave();
}

CHECK_TEST(twin, tui_29_quantize_says_what_the_command_says)
{
    twins t;
    begin(&t, "twin-quantize");
    stage_play(&t.s, MAKE);
    nb_json *plan = load("plan"), *run = load("run");
    const char *source = text_of(nb_json_root(run), "source"),
               *out = text_of(nb_json_root(run), "output"),
               *preset = text_of(nb_json_root(run), "preset");
    nb_json *dry = COMMAND(&t, "quantize", source, "-t", preset, "-o", out, "--dry-run");
    nb_json *made = COMMAND(&t, "quantize", source, "-t", preset, "-o", out, "--force");
    same("a dry run", nb_json_root(dry), nb_json_root(plan), 50);
    same("a run", nb_json_root(made), nb_json_root(run), 200);
    nb_json_close(&dry);
    nb_json_close(&made);
    nb_json_close(&plan);
    nb_json_close(&run);
    stage_leave();
}

CHECK_TEST(twin, tui_29_chat_says_what_the_command_says)
{
    twins t;
    begin(&t, "twin-chat");
    stage_play(&t.s, MAKE "keys t\nwait\ntext What is Q2_K?\nkeys Enter\nwait\nsave-json chat\n");
    nb_json *run = load("run"), *chat = load("chat");
    nb_json *cmd = COMMAND(&t, "chat", text_of(nb_json_root(run), "source"),
                           text_of(nb_json_root(run), "output"), "-p", "What is Q2_K?");
    same("two panes", nb_json_root(cmd), nb_json_root(chat), 60);
    nb_json_close(&cmd);
    nb_json_close(&run);
    nb_json_close(&chat);
    stage_leave();
}
