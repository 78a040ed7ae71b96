/* --plain: the workbench in lines, driven by the lines a person would type (tui 30, and the tasks
 * of tui 13, 24 and 27 in it). */
#include "tests/check.h"
#include "tests/run_child.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "tui/screens/parts.h"

enum { NAME_MOST = 1100, DIR_MOST = 1000 };

typedef struct session {
    char home[512], models[DIR_MOST], env[560];
} session;

static session fresh(const char *name)
{
    session s;
    nb_err err;
    snprintf(s.home, sizeof s.home, "%s", test_path(test_tmpdir(), name));
    snprintf(s.env, sizeof s.env, "HOME=%s", s.home);
    snprintf(s.models, sizeof s.models, "%s/.local/share/nibble/models", s.home);
    check(nb_mkdirs(s.models, &err) == NB_OK, "%s", err.msg);
    return s;
}

/* Types these lines into `nibble --plain ARGS...`; stdin ends behind them. */
static child type(const session *s, const char *lines, child_how how)
{
    const char *in = test_path(s->home, "typed");
    size_t n = 0;
    test_spit(in, lines, strlen(lines));
    while (n < CHILD_ARGS - 1 && how.args[n])
        n++;
    memmove(how.args + 1, how.args, n * sizeof how.args[0]);
    how.args[0] = "--plain";
    how.env[0] = s->env;
    how.in = in;
    how.dir = s->home;
    return child_run(&how);
}

#define TYPE(s, lines, ...) type((s), (lines), (child_how){.args = {__VA_ARGS__}})

static bool says(const child *c, const char *text)
{
    return strstr(c->out, text) != NULL;
}

/* No escape, no other control byte but line ends; nothing of Unicode's box drawing, blocks and
 * braille. */
static void check_linear(const child *c)
{
    for (size_t i = 0; i < c->n_out;) {
        uint32_t ch = 0;
        size_t used = nb_utf8_next(c->out + i, c->n_out - i, &ch, NULL);
        check(used && (ch >= ' ' || ch == '\n') && ch != 0x7f, "byte %zu is U+%04X", i, ch);
        check(!(ch >= 0x2500 && ch < 0x25a0) && !(ch >= 0x2800 && ch < 0x2900),
              "byte %zu is drawn: U+%04X", i, ch);
        i += used ? used : 1;
    }
    check(c->n_out && c->out[c->n_out - 1] == '\n', "the last line has no end");
    check(c->n_err == 0, "stderr: %s", c->err);
}

/* The path behind "written: ". */
static void written(const child *c, char *out, size_t cap)
{
    const char *at = strstr(c->out, "written: ");
    check(at, "nothing was written:\n%s", c->out);
    at += strlen("written: ");
    snprintf(out, cap, "%.*s", (int)strcspn(at, "\n"), at);
}

static uint64_t size_of(const char *path)
{
    struct stat st;
    check(stat(path, &st) == 0, "%s is not there", path);
    return (uint64_t)st.st_size;
}

/* --- tui 30 ------------------------------------------------------------------------------------
 */

CHECK_TEST(plain, tui_30_every_menu_is_lines_and_numbers)
{
    session s = fresh("plain-menus");
    child c = TYPE(&s, "\n9\nx\n0\n1\n0\n0\n5\nq\n", "demo");
    check(c.code == 0, "%d: %s", c.code, c.err);
    check_linear(&c);
    check(says(&c, "1. source: Nibble Demo") && says(&c, "dry run: ") &&
              says(&c, "\"x\" is no number from 0 to ") && says(&c, "5. jobs") &&
              says(&c, "open nibble-demo: done") && says(&c, "quantize: number of the model"),
          "%s", c.out);
    child_free(&c);
}

CHECK_TEST(plain, tui_30_the_end_of_input_ends_it)
{
    session s = fresh("plain-end");
    child c = TYPE(&s, "");
    check(c.code == 0 && says(&c, "nibble: number of a choice"), "%d\n%s", c.code, c.out);
    child_free(&c);
    c = TYPE(&s, "3", "demo"); /* a line without its end is one */
    check(c.code == 0 && says(&c, "1. reference: "), "%d\n%s", c.code, c.out);
    child_free(&c);
}

CHECK_TEST(plain, tui_30_ascii_where_the_locale_is)
{
    session s = fresh("plain-ascii");
    child c = type(&s, "0\n3\n1\nWhat is Q4_K?\n",
                   (child_how){.args = {"demo"}, .env = {NULL, "LC_ALL=C"}});
    for (size_t i = 0; i < c.n_out; i++)
        check((uint8_t)c.out[i] < 0x80, "byte %zu is 0x%02x", i, (uint8_t)c.out[i]);
    check(c.code == 0 && says(&c, "Q4_K stores"), "%d\n%s", c.code, c.out);
    child_free(&c);
}

CHECK_TEST(plain, tui_30_wrong_values_are_refused_and_nothing_is_lost)
{
    session s = fresh("plain-wrong");
    child c = TYPE(&s,
                   "14\nffn_down=q9_Z\n14\nffn_down=q6_K\n5\n3 XB\n12\n17\n(=q4_K\n18\n"
                   "general.name=word:x\n19\n1,x\n14\niq1_s\n\n0\n",
                   "demo");
    check_linear(&c);
    check(c.code == 0 && says(&c, "\"q9_Z\" is no tensor type") &&
              says(&c, "\"3 XB\" is no target") && says(&c, "is no layer number") &&
              says(&c, "without an importance matrix"),
          "%s", c.out);
    check(says(&c, "rule: ffn_down q6_K (x6)"), "the rule is gone:\n%s", c.out);
    child_free(&c);
}

CHECK_TEST(plain, tui_30_ctrl_c_cancels_the_job_first)
{
    session s = fresh("plain-cancel");
    /* --best takes long enough; the interrupt comes when the output has begun */
    char part[NAME_MOST];
    snprintf(part, sizeof part, "%s/Nibble-Demo-Q4_K_M.gguf.part", s.models);
    child c = type(&s, "4\n24\n3\n2\n13\n\n0\n0\n",
                   (child_how){.args = {"demo"}, .interrupt_when = part});
    check_linear(&c);
    if (!says(&c, "written: ")) { /* else the machine was faster than the signal */
        check(says(&c, "cancelling quantize") && says(&c, "nothing was left on disk"), "%s", c.out);
        check(!nb_exists(part), "%s is left", part);
    }
    check(c.code == 0 || c.code == 130, "%d: %s", c.code, c.err);
    child_free(&c);
}

/* --- tui 24 ------------------------------------------------------------------------------------
 */

/* The number behind "dry run: ..., ". */
static uint64_t predicted(const child *c)
{
    const char *at = NULL, *next = c->out;
    uint64_t n = 0;
    char digits[24];
    while ((next = strstr(next, "dry run: ")))
        at = next++;
    at = at ? strstr(at, ", ") : NULL;
    check(at, "no dry run:\n%s", c->out);
    snprintf(digits, sizeof digits, "%.*s", (int)strspn(at + 2, "0123456789"), at + 2);
    check(nb_parse_u64(digits, &n), "no bytes in the dry run: %s", digits);
    return n;
}

CHECK_TEST(plain, tui_24_a_target_by_numbers_is_met_to_the_byte)
{
    session s = fresh("plain-target");
    char path[NAME_MOST];
    child c = TYPE(&s, "5\nfits 4 MB\n0\n13\n", "demo");
    check_linear(&c);
    check(c.code == 0 && says(&c, "sizes against damage") && says(&c, "within the target"), "%s",
          c.out);
    written(&c, path, sizeof path);
    check(size_of(path) == predicted(&c) && size_of(path) <= 4000000, "%llu bytes, said %llu",
          (unsigned long long)size_of(path), (unsigned long long)predicted(&c));
    child_free(&c);
    c = TYPE(&s, "5\n100 kB\n", "demo");
    check(says(&c, "fits 100000 bytes: the smallest file has "), "%s", c.out);
    child_free(&c);
}

CHECK_TEST(plain, tui_24_recipes_are_saved_and_taken_by_number)
{
    session s = fresh("plain-recipe");
    child c = TYPE(&s, "14\nffn_down@first/2=q6_K\n16\nmine\n", "demo");
    check(c.code == 0 && says(&c, "rule: ffn_down@first/2 q6_K (x3)") &&
              says(&c, "recipe mine saved"),
          "%s", c.out);
    child_free(&c);
    c = TYPE(&s, "2\n1\n\n", "demo");
    check(says(&c, "1. mine, ") && says(&c, "2. recipe: mine") &&
              says(&c, "rule: ffn_down@first/2 q6_K (x3)"),
          "%s", c.out);
    child_free(&c);
}

/* --- tui 13 ------------------------------------------------------------------------------------
 */

/* What is killed: tests/test_killed.c. */
CHECK_TEST(plain, tui_13_a_chat_comes_back)
{
    session s = fresh("plain-back");
    child c = TYPE(&s, "0\n3\n1\nWhat is Q4_K?\n", "demo");
    check(says(&c, "Q4_K stores 256 weights"), "%s", c.out);
    child_free(&c);
    c = TYPE(&s, "3\n"); /* another start: what was said is there, and the models load on demand */
    check(says(&c, "A, user: What is Q4_K?") && says(&c, "A, assistant: Q4_K stores 256 weights"),
          "%s", c.out);
    child_free(&c);
}

/* --- tui 27 ------------------------------------------------------------------------------------
 */

/* Forced scoring in lines: each pane's mean and every token of C, as eval has them of the chat that
 * was kept. */
static void check_forced(const session *s, const child *c)
{
    char chat[NAME_MOST], path[NAME_MOST], line[160], kl[48];
    snprintf(chat, sizeof chat, "%s/.local/share/nibble/chats/chat-0001.jsonl", s->home);
    const char *label = strstr(c->out, "\nC, ");
    check(label && says(c, "A is the reference, its answer has ") && says(c, "B, most at token ") &&
              says(c, "A was not scored"),
          "%s", c->out);
    bool low = strncmp(label + 4, "Q2_K", 4) == 0;
    snprintf(path, sizeof path, "%s/%s.gguf", s->models, low ? "Q2_K" : "Q8_0");
    child eval = child_run(&(child_how){
        .args = {"eval", path, "--ref", "demo", "--chat", chat, "--json"}, .env = {s->env}});
    check(eval.code == 0, "%s", eval.err);
    nb_json *doc = child_json(&eval);
    size_t n = 0;
    const nb_jval *v = nb_jfirst(nb_jget(nb_json_root(doc), "tokens"));
    for (; v; v = nb_jnext(v), n++) {
        double d = -1;
        nb_jnum(nb_jget(v, "kl"), &d);
        snprintf(line, sizeof line, "\nC token %zu ", n);
        const char *at = strstr(c->out, line), *end = at ? strchr(at + 1, '\n') : NULL;
        snprintf(line, sizeof line, ": KL %s, A ", ui_parts_num(kl, d));
        const char *figure = at ? strstr(at, line) : NULL;
        check(figure && figure < end, "token %zu: \"%s\" expected:\n%s", n, line, c->out);
    }
    check(n > 10, "%zu tokens", n);
    nb_json_close(&doc);
    child_free(&eval);
}

CHECK_TEST(plain, tui_27_three_models_and_where_they_part)
{
    session s = fresh("plain-three");
    static const char *const type_of[] = {"Q2_K", "Q8_0"};
    for (int i = 0; i < 2; i++) {
        char out[NAME_MOST + 32];
        snprintf(out, sizeof out, "%s/%s.gguf", s.models, type_of[i]);
        child c = child_run(&(child_how){.args = {"quantize", "demo", "-t", type_of[i], "-o", out},
                                         .env = {s.env}});
        check(c.code == 0, "%s", c.err);
        child_free(&c);
    }
    child c = TYPE(&s, "3\n1 2 3\nWhat is Q4_K?\n\n2\n\n7\n3\n1\n0\n\n0\n0\n");
    check_linear(&c);
    check(c.code == 0 && says(&c, "A: Q4_K stores") && says(&c, "B: Q4_K stores") &&
              says(&c, "C: Q4_K stores") && says(&c, " parts from A at token ") &&
              says(&c, "A against B:") && says(&c, "[-"),
          "%s", c.out);
    /* the same figure as the chat command computes from the tokens */
    child offline = child_run(&(child_how){
        .args = {"chat", "demo", test_path(s.models, "Q2_K.gguf"), "-p", "What is Q4_K?", "--json"},
        .env = {s.env}});
    check(offline.code == 0, "%s", offline.err);
    const char *at = NULL, *next = offline.out; /* the last: of all answers */
    while ((next = strstr(next, "\"first_difference\":")))
        at = next++;
    check(at, "%s", offline.out);
    char line[64];
    snprintf(line, sizeof line, " parts from A at token %ld",
             strtol(at + strlen("\"first_difference\":"), NULL, 10));
    check(says(&c, line), "offline it is%s:\n%s", line, c.out);
    child_free(&offline);
    check_forced(&s, &c);
    child_free(&c);
}

/* Two models read a text and answer 71 questions: minutes with sanitizers, which see the same work
 * in the command's own tests. There the job is started and stopped. */
CHECK_TEST(plain, compares_files_with_the_reference_first)
{
    session s = fresh("plain-compare");
    bool whole = TEST_THIN == 1;
    child c =
        type(&s, "4\n11\n13\n0\n2\n1 2\n0\n",
             (child_how){.args = {"demo"}, .seconds = 300, .interrupt_after = whole ? 0 : 20});
    check_linear(&c);
    check(!whole || (c.code == 0 && says(&c, "compare, the one with most bits is the reference") &&
                     says(&c, "keep it")),
          "%d: %s", c.code, c.out);
    child_free(&c);
}
