/* yc, "as a command": what each screen copies does in a shell what the screen shows (tui 4.8). */
#include "core/base/json.h"
#include "tests/check.h"
#include "tests/run_child.h"
#include "tests/util.h"
#include "tests/workbench.h"
#include "tui/screens/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Plays the script; what it copied last, free() it. */
static char *copied(workbench *w, const char *script)
{
    size_t n;
    *w = workbench_run(script);
    check(w->status == NB_OK, "%s", w->err.msg);
    char *text = test_slurp(test_path(w->dir, "state/clipboard.txt"), &n);
    check(text && n, "nothing was copied");
    return text;
}

/* Runs the command as a shell reads it, with more words behind. */
static child in_shell(const char *command, const char *more)
{
    nb_str line = {0};
    nb_str_addf(&line, "nibble() { '%s' \"$@\"; }; %s %s", child_nibble, command, more);
    child c = child_run(&(child_how){.program = "sh", .args = {"-c", nb_str_c(&line)}});
    check(c.code == 0, "%s: status %d: %s", command, c.code, c.err);
    nb_str_free(&line);
    return c;
}

static nb_json *load(workbench *w, const char *name)
{
    nb_json *doc = NULL;
    nb_err err = {0};
    check(nb_json_load(&doc, test_path(w->dir, name), 16 << 20, &err) == NB_OK, "%s", err.msg);
    return doc;
}

static double number(const nb_jval *v, const char *key)
{
    double d = -1;
    nb_jnum(nb_jget(v, key), &d);
    return d;
}

static const char *text_of(const nb_jval *v, const char *key)
{
    const char *s = "";
    nb_jstr(nb_jget(v, key), &s);
    return s;
}

CHECK_TEST(copy, models_copies_the_figures_at_this_context)
{
    workbench w;
    char *command = copied(&w, "size 120x40\nwait\nkeys [ [ yc\nsave-json seen\n");
    check(strstr(command, "--ctx 1024"), "%s", command);
    child c = in_shell(command, "--json");
    nb_json *said = child_json(&c), *seen = load(&w, "seen");
    const nb_jval *row = nb_jfirst(nb_jget(nb_json_root(seen), "models"));
    const nb_jval *fit = nb_jget(nb_json_root(said), "fit");
    row = nb_jget(row, "fit");
    check(number(row, "kv") > 0 && number(fit, "kv") == number(row, "kv"), "KV %.0f, %.0f",
          number(fit, "kv"), number(row, "kv"));
    check(number(fit, "total") == number(row, "total"), "memory %.0f, %.0f", number(fit, "total"),
          number(row, "total"));
    nb_json_close(&said);
    nb_json_close(&seen);
    child_free(&c);
    free(command);
    workbench_free(&w);
}

/* A folder that is not there yet, rules, threads: the same file, byte for byte. */
CHECK_TEST(copy, quantize_copies_what_it_would_write)
{
    workbench w;
    char first[65], second[65], kept[700];
    size_t n;
    char *command =
        copied(&w, "size 120x40\nwait\nkeys 3\nwait\nkeys a\ntext ffn_d*=q6_K\nkeys Enter a\n"
                   "text attn_v=q8_0\nkeys Enter gg j j j j j j j j h\n"
                   "keys yc\nwait\nkeys C-r\nwait\nsave-json seen\n");
    check(strstr(command, "mkdir -p") && strstr(command, "ffn_d*") &&
              strstr(command, "--threads 1"),
          "%s", command);
    nb_json *seen = load(&w, "seen");
    const char *out = text_of(nb_json_root(seen), "output");
    char *bytes = test_slurp(out, &n);
    check(bytes, "%s was not written", out);
    test_sha256(bytes, n, first);
    free(bytes);
    snprintf(kept, sizeof kept, "%s.kept", out);
    check(rename(out, kept) == 0, "rename");
    child c = in_shell(command, "");
    bytes = test_slurp(out, &n);
    check(bytes, "%s did not write %s", command, out);
    test_sha256(bytes, n, second);
    check(strcmp(first, second) == 0, "another file of %zu bytes: %s", n, command);
    free(bytes);
    nb_json_close(&seen);
    child_free(&c);
    free(command);
    workbench_free(&w);
}

CHECK_TEST(copy, inspect_copies_tensor_block_and_source)
{
    workbench w;
    char *command = copied(&w, "size 120x40\nwait\nkeys 3\nwait\nkeys C-r\nwait\nkeys 1\nwait\n"
                               "keys j Enter\nwait\nkeys / \ntext attn_k\nkeys Enter j\nwait\n"
                               "keys Enter l l yc\nsave-screen seen\nsave-json all\n");
    check(strstr(command, "--against") && strstr(command, "--block 2"), "%s", command);
    child c = in_shell(command, "--json");
    nb_json *said = child_json(&c), *all = load(&w, "all");
    const nb_jval *root = nb_json_root(said);
    check(strstr(text_of(root, "name"), "attn_k"), "%s", text_of(root, "name"));
    check(number(nb_jget(root, "block"), "index") == 2, "another block");
    const nb_jval *t = nb_jfirst(nb_jget(nb_json_root(all), "tensors"));
    while (t && strcmp(text_of(t, "name"), text_of(root, "name")) != 0)
        t = nb_jnext(t);
    check(t && number(t, "rel_rmse") > 0 && number(t, "rel_rmse") == number(root, "rel_rmse"),
          "rel %g", number(root, "rel_rmse"));
    nb_json_close(&said);
    nb_json_close(&all);
    child_free(&c);
    free(command);
    workbench_free(&w);
}

/* Sampled with settings of one's own, in words a shell would take apart: the same answer. */
CHECK_TEST(copy, chat_copies_question_and_sampling)
{
    workbench w;
    char *command = copied(
        &w, "size 120x40\nwait\nkeys t\nwait\nkeys Esc P Enter\ntext 0.7\nkeys Enter j Enter\n"
            "text 5\nkeys Enter G k k k k k k Enter\ntext It's $HOME\nkeys Enter k k k k k k "
            "Enter\ntext 40\n"
            "keys Enter j j j Enter j Enter Esc i\ntext What's `Q2_K` & \"$PATH\"?\nkeys "
            "Enter\nwait\nkeys Esc yc\n"
            "save-json seen\n");
    check(strstr(command, "--temp 0.7 ") && strstr(command, "--top-k 5 ") &&
              strstr(command, "--seed 7 ") && strstr(command, "--predict 40 ") &&
              strstr(command, "--context-shift --think off "),
          "%s", command);
    child c = in_shell(command, "--json");
    nb_json *said = child_json(&c), *seen = load(&w, "seen");
    const nb_jval *a = nb_jfirst(nb_jget(nb_json_root(said), "answers"));
    const nb_jval *p = nb_jfirst(nb_jget(nb_json_root(seen), "panes"));
    const nb_jval *m = nb_jfirst(nb_jget(p, "messages")), *last = m;
    for (; m; m = nb_jnext(m))
        last = m;
    check(strcmp(text_of(nb_json_root(said), "prompt"), "What's `Q2_K` & \"$PATH\"?") == 0,
          "asked %s", text_of(nb_json_root(said), "prompt"));
    check(*text_of(a, "text") && strcmp(text_of(a, "text"), text_of(last, "text")) == 0,
          "answers \"%s\", the chat said \"%s\"", text_of(a, "text"), text_of(last, "text"));
    nb_json_close(&said);
    nb_json_close(&seen);
    child_free(&c);
    free(command);
    workbench_free(&w);
}

/* Any bytes come back whole, and none of them can drive the terminal on the way. */
CHECK_TEST(copy, words_survive_a_shell)
{
    static const char *const words[] = {
        "",        "plain",         "it's",     "$(x) `y` \"z\" \\n !",
        "a\nb\tc", "\033]52;c;x\a", "\xff\xfe", "\xe2\x80\xae'evil\\",
        "日本 é"};
    if (!child_have("bash"))
        check_skip("no bash");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        nb_str line = {0};
        nb_str_add(&line, "printf %s");
        ui_parts_word(&line, words[i]);
        for (size_t k = 0; k < line.len; k++)
            check((unsigned char)line.at[k] >= 0x20, "word %zu: byte %zu", i, k);
        check(!strstr(line.at, "\xe2\x80\xae"), "word %zu hides a bidi control", i);
        child c = child_run(&(child_how){.program = "bash", .args = {"-c", line.at}});
        check(c.n_out == strlen(words[i]) && memcmp(c.out, words[i], c.n_out) == 0,
              "word %zu: %s gave %s", i, line.at, c.out);
        child_free(&c);
        nb_str_free(&line);
    }
    nb_str path = {0};
    ui_parts_path(&path, "-rf.gguf");
    check(strcmp(path.at, " './-rf.gguf'") == 0, "%s", path.at);
    nb_str_free(&path);
}
