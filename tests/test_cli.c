/* The commands from outside, as a shell or a script meets them: texts, JSON keys, exit codes, what
 * goes where. tui 24 25 29; A13 A14 A17 A32 through the command line. */
#include "tests/check.h"
#include "tests/run_child.h"
#include "tests/util.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "kernels/cpu.h"
#include "tests/gguf_file.h"
#include "tui/commands/opt.h"

static const char demo[] = NB_TEST_ROOT "/tests/data/nibble-demo";

static child run(const char *const *args)
{
    child_how how = {0};
    for (int i = 0; i < CHILD_ARGS && args[i]; i++)
        how.args[i] = args[i];
    return child_run(&how);
}
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static int lines(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static uint64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void sha256_of(const char *path, char out[65])
{
    size_t n;
    char *bytes = test_slurp(path, &n);
    check(bytes, "%s", path);
    test_sha256(bytes, n, out);
    free(bytes);
}

/* A quantized demo in the scratch folder, made once by the program itself. */
static const char *demo_file(const char *preset)
{
    char name[64];
    snprintf(name, sizeof name, "cli-%s.gguf", preset);
    const char *path = test_path(test_tmpdir(), name);
    if (!nb_exists(path)) {
        child c = RUN("quantize", demo, "-t", preset, "-o", path);
        check(c.code == 0, "status %d: %s", c.code, c.err);
        child_free(&c);
    }
    return path;
}

/* --- texts ---------------------------------------------------------------------------------- */

CHECK_TEST(cli, help_names_every_option_of_every_command)
{
    size_t n;
    const ui_cmd *const *cmd = ui_cmds(&n);
    child all = RUN("--help");
    check(all.code == 0 && all.n_err == 0, "status %d: %s", all.code, all.err);
    for (size_t i = 0; i < n; i++) {
        if (cmd[i] == &ui_cmd_ui)
            continue;
        child c = RUN(cmd[i]->name, "--help"), same = RUN("help", cmd[i]->name);
        check(c.code == 0 && c.n_err == 0, "%s: status %d: %s", cmd[i]->name, c.code, c.err);
        check(has(all.out, cmd[i]->name) && has(all.out, cmd[i]->summary), "%s", cmd[i]->name);
        check(has(c.out, "usage: nibble ") && has(c.out, cmd[i]->args), "%s", c.out);
        check(strcmp(c.out, same.out) == 0, "help %s differs", cmd[i]->name);
        check(has(c.out, "JSON keys") || has(c.out, "JSON: "), "%s has no JSON documented",
              cmd[i]->name);
        for (size_t k = 0; k < cmd[i]->n_opt + ui_common_count(cmd[i]); k++) {
            const ui_opt *o = ui_opt_at(cmd[i], k);
            check(has(c.out, o->name) && has(c.out, ui_opt_help(cmd[i], k)), "%s --%s",
                  cmd[i]->name, o->name);
        }
        child_free(&c);
        child_free(&same);
    }
    child_free(&all);
}

/* --force is a common option, but what it insists on is the command's. */
CHECK_TEST(cli, force_is_told_as_each_command_means_it)
{
    static const char *const shells[] = {"man", "zsh", "fish"};
    static const char generic[] = "replace an existing output",
                      of_pull[] = "the disk looks too full";
    child c = RUN("pull", "--help"), other = RUN("quantize", "--help");
    const char *row = strstr(c.out, "--force  ");
    check(row && has(row, of_pull) && !has(c.out, generic), "%s", c.out);
    check(has(other.out, generic), "%s", other.out);
    child_free(&c);
    child_free(&other);
    for (size_t i = 0; i < countof(shells); i++) {
        c = RUN("completion", shells[i]);
        check(has(c.out, "try although the disk looks too full"), "%s", shells[i]);
        check(has(c.out, generic), "%s", shells[i]);
        child_free(&c);
    }
}

CHECK_TEST(cli, man_page_has_every_command_and_every_exit_code)
{
    size_t n;
    const ui_cmd *const *cmd = ui_cmds(&n);
    child page = RUN("completion", "man");
    check(page.code == 0, "status %d: %s", page.code, page.err);
    for (size_t i = 0; i < n; i++) {
        char head[64];
        snprintf(head, sizeof head, "\n.SS \"nibble %s%s", cmd[i]->name,
                 *cmd[i]->args ? " " : "\"");
        check(cmd[i] == &ui_cmd_ui || has(page.out, head), "%s", head);
    }
#define CLI_EXIT(name, code, text) check(has(page.out, "\n.B " #code "\n" text), #code);
    NB_STATUS_LIST(CLI_EXIT)
#undef CLI_EXIT
    const char *file = test_path(test_tmpdir(), "nibble.1");
    test_spit(file, page.out, page.n_out);
    child_free(&page);
    if (!child_have("man"))
        check_skip("man is not installed: the page was not rendered");
    child shown = child_run(&(child_how){.program = "man",
                                         .args = {"--warnings", "-E", "UTF-8", "-l", file},
                                         .env = {"MANPAGER=cat", "MANWIDTH=78"}});
    check(shown.code == 0 && shown.n_err == 0, "man says: %s", shown.err);
    check(has(shown.out, "nibble quantize MODEL -t TYPE"), "%.300s", shown.out);
    child_free(&shown);
}

/* Parsed by the shell itself, and bash's asked for words. */
CHECK_TEST(cli, completion_scripts_parse_and_complete)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    int proved = 0;
    for (size_t i = 0; i < countof(shells); i++) {
        child c = RUN("completion", shells[i]);
        check(c.code == 0 && has(c.out, "quantize") && has(c.out, "Q4_K_M"), "%s", shells[i]);
        const char *file = test_path(test_tmpdir(), shells[i]);
        test_spit(file, c.out, c.n_out);
        child_free(&c);
        if (!child_have(shells[i])) {
            fprintf(stderr, "skipped: %s is not installed\n", shells[i]);
            continue;
        }
        c = child_run(&(child_how){.program = shells[i], .args = {"-n", file}});
        check(c.code == 0 && c.n_err == 0, "%s -n: %s", shells[i], c.err);
        child_free(&c);
        proved++;
    }
    check(proved > 0, "no shell to prove it with");
    if (!child_have("bash"))
        return;
    child c = child_run(&(child_how){
        .program = "bash",
        .args = {"-c",
                 ". \"$0\"; COMP_WORDS=(nibble qu) COMP_CWORD=1; _nibble; echo \"${COMPREPLY[@]}\";"
                 "COMP_WORDS=(nibble quantize -t Q4_K_) COMP_CWORD=3; _nibble;"
                 "echo \"${COMPREPLY[@]}\"",
                 test_path(test_tmpdir(), "bash")}});
    check(strcmp(c.out, "quantize\nQ4_K_S Q4_K_M\n") == 0 ||
              strcmp(c.out, "quantize\nQ4_K_M Q4_K_S\n") == 0,
          "%s%s", c.out, c.err);
    child_free(&c);
}

/* --- JSON ----------------------------------------------------------------------------------- */

/* "tensors.0.name": members by name, elements by number. */
static const nb_jval *at(const nb_json *doc, const char *path)
{
    const nb_jval *v = nb_json_root(doc);
    while (v && *path) {
        char part[64];
        size_t n = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)n, path);
        if (nb_jkind_of(v) == NB_JARRAY) {
            v = nb_jfirst(v);
            for (long k = strtol(part, NULL, 10); v && k > 0; k--)
                v = nb_jnext(v);
        } else {
            v = nb_jget(v, part);
        }
        path += n + (path[n] == '.');
    }
    return v;
}

static double number(const nb_json *doc, const char *path)
{
    double v = NAN;
    check(nb_jnum(at(doc, path), &v), "%s is no number", path);
    return v;
}

typedef struct json_row {
    const char *args[12];
    const char *paths; /* separated by blanks; ! = may be null */
} json_row;

static void has_paths(const nb_json *doc, const json_row *row)
{
    char paths[512];
    snprintf(paths, sizeof paths, "%s", row->paths);
    char *rest = NULL;
    for (char *p = strtok_r(paths, " ", &rest); p; p = strtok_r(NULL, " ", &rest)) {
        bool may_be_null = *p == '!';
        const nb_jval *v = at(doc, p + may_be_null);
        check(v, "%s %s: no %s", row->args[0], row->args[1], p);
        check(may_be_null || nb_jkind_of(v) != NB_JNULL, "%s: %s is null", row->args[0], p);
    }
}

CHECK_TEST(cli, json_has_the_documented_keys)
{
    const char *q8 = demo_file("Q8_0"), *q2 = demo_file("Q2_K");
    const char *text = test_path(test_tmpdir(), "text");
    test_spit(text, demo, 0);
    for (int i = 0; i < 40; i++) {
        FILE *f = fopen(text, "a");
        fputs("Once upon a time there was a block of weights. ", f);
        fclose(f);
    }
    const char *fresh = test_path(test_tmpdir(), "json-out.gguf");
    const char *synth = test_path(test_tmpdir(), "json-synth.gguf");
    const json_row rows[] = {
        {{"tokenize", q8, "-p", "two words"}, "count ids.0 ids.1 pieces.0"},
        {{"eval", q8, "-f", text, "--ctx", "64", "--chunks", "2"},
         "model text text_sha256 protocol ctx chunks tokens scored nll perplexity stderr "
         "tok_per_s"},
        {{"quantize", demo, "-t", "Q4_K_M", "-o", fresh},
         "source output preset dry_run bytes tensor_bytes params bpw seconds rel_rmse sqnr_db "
         "tensors.0.name tensors.0.type tensors.0.bytes tensors.0.why tensors.0.rel_rmse "
         "tensors.0.sqnr_db tensors.0.max_error tensors.0.max_error_at tensors.0.clipped "
         "measured rel_rmse_error tensors.0.measured tensors.0.rel_rmse_error"},
        {{"quantize", demo, "-t", "F32", "-o", test_path(test_tmpdir(), "json-f32.gguf")},
         "tensors.0.rel_rmse !tensors.0.sqnr_db !sqnr_db"},
        {{"quantize", demo, "-t", "Q4_K_M", "--dry-run"},
         "source output preset dry_run bytes bpw tensors.0.name tensors.0.why"},
        {{"chat", q8, q2, "-p", "What is Q4_K?", "-n", "64"},
         "prompt answers.0.model answers.0.text answers.0.ids.0 answers.0.tok_per_s "
         "answers.0.ttft_s answers.0.prompt_tokens answers.0.stop !answers.0.first_difference "
         "answers.1.ids.0 answers.1.first_difference first_difference"},
        {{"show", q2},
         "path container file_bytes tensor_bytes params bpw fit.ctx fit.weights fit.kv "
         "fit.compute fit.total fit.available fit.word keys tensors.0.name tensors.0.type "
         "tensors.0.shape.0 tensors.0.bytes"},
        {{"inspect", q2, "output.weight", "--against", demo},
         "name type bytes n mean std min max kurtosis zeros nan inf histogram.0.0 histogram.0.1 "
         "rel_rmse sqnr_db max_error max_error_at"},
        {{"inspect", q2, "output.weight", "--block", "1"},
         "block.index block.d block.values.0.code block.values.0.scale block.values.0.offset "
         "block.values.0.decoded"},
        {{"bench", q8, "-p", "8", "-n", "4", "-r", "1"},
         "model cpu level threads prompt predict pp_tok_s pp_err tg_tok_s tg_err bandwidth "
         "tg_limit_tok_s tg_fraction load_ms ttft_ms weight_bytes rss"},
        {{"synth", "demo", "-t", "Q4_0", "-o", synth}, "output preset params bytes"},
        {{"synth", "--list"}, "0.name 0.architecture 0.params"},
        {{"config"}, "theme threads mouse ctx ram-limit"},
        {{"theme", "check", "themes/dark.theme"}, "name contrast.text"},
        {{"theme", "list"}, "0"},
        {{"doctor"}, "cpu.ok cpu.value memory.ok disk.value"},
        {{"completion", "bash"}, "shell text"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        child_how how = {.env = {"COLUMNS=80"}};
        int n = 0;
        for (; rows[i].args[n]; n++)
            how.args[n] = rows[i].args[n];
        how.args[n] = "--json";
        child c = child_run(&how);
        nb_json *doc = child_json(&c);
        check(lines(c.out) == 1, "%s: %d lines", rows[i].args[0], lines(c.out));
        has_paths(doc, &rows[i]);
        nb_json_close(&doc);
        child_free(&c);
    }
}

/* tui 24: what the plan says is what the disk gets, to the byte. */
CHECK_TEST(cli, dry_run_tells_the_bytes_that_are_written)
{
    static const char *const presets[] = {"Q2_K", "Q3_K_M", "Q4_0", "Q5_K_M", "Q8_0", "BF16"};
    for (size_t i = 0; i < countof(presets); i++) {
        const char *path = demo_file(presets[i]);
        child c = RUN("quantize", demo, "-t", presets[i], "--dry-run", "--json", "-o", "x.gguf");
        nb_json *doc = child_json(&c);
        check((uint64_t)number(doc, "bytes") == size_of(path), "%s: %s, on disk %llu", presets[i],
              c.out, (unsigned long long)size_of(path));
        check(!nb_exists(NB_TEST_ROOT "/x.gguf"), "a dry run wrote");
        nb_json_close(&doc);
        child_free(&c);
    }
}

/* The answer and an end of line, the same as the JSON's text; nothing else. */
CHECK_TEST(cli, chat_prints_the_answer_and_nothing_else)
{
    const char *q8 = demo_file("Q8_0"), *text;
    const char *in = test_path(test_tmpdir(), "prompt");
    child j = RUN("chat", q8, "-p", "What is Q4_K?", "-n", "16", "--json");
    nb_json *doc = child_json(&j);
    check(nb_jstr(at(doc, "answers.0.text"), &text) && strlen(text) > 10, "%s", j.out);
    check(nb_jlen(at(doc, "answers.0.ids")) == 16, "%s", j.out);
    test_spit(in, "What is Q4_K?\n", 14);
    child arg = RUN("chat", q8, "-p", "What is Q4_K?", "-n", "16");
    child piped = child_run(&(child_how){.args = {"chat", q8, "-n", "16"}, .in = in});
    for (int i = 0; i < 2; i++) {
        const child *c = i ? &piped : &arg;
        check(c->code == 0 && c->n_out == strlen(text) + 1, "status %d: \"%s\"", c->code, c->out);
        check(strncmp(c->out, text, strlen(text)) == 0 && c->out[c->n_out - 1] == '\n',
              "\"%s\" and \"%s\"", c->out, text);
    }
    nb_json_close(&doc);
    child_free(&j);
    child_free(&arg);
    child_free(&piped);
}

/* --- exit codes ----------------------------------------------------------------------------- */

/* One sentence on stderr, nothing on stdout. */
static void fails(const child_how *how, int code, const char *part)
{
    child c = child_run(how);
    check(c.code == code, "%s: status %d instead of %d: %s", how->args[0], c.code, code, c.err);
    check(has(c.err, part), "\"%s\" does not say \"%s\"", c.err, part);
    check(lines(c.err) == 1 && strncmp(c.err, "nibble: ", 8) == 0 && c.n_out == 0,
          "%s: more than one sentence: %s%s", how->args[0], c.out, c.err);
    check(!strchr(c.err, '\033'), "an escape on stderr");
    child_free(&c);
}

CHECK_TEST(cli, every_failure_has_its_code_and_one_sentence)
{
    const char *q8 = demo_file("Q8_0"), *q2 = demo_file("Q2_K");
    const char *bad = test_path(test_tmpdir(), "bad.gguf");
    const char *cut = test_path(test_tmpdir(), "cut.gguf");
    size_t n;
    char *bytes = test_slurp(q2, &n);
    test_spit(bad, "GGUF\3\0\0\0\377\377\377\377\377\377\377\377", 16);
    test_spit(cut, bytes, n - 1000);
    free(bytes);
    const struct {
        child_how how;
        int code;
        const char *part;
    } rows[] = {
        {{.args = {"quantize", demo}}, 2, "--type is missing"},
        {{.args = {"quantize", demo, "-t", "Q9_K"}}, 2, "Q9_K"},
        {{.args = {"quantize", demo, "-t", "Q4_0", "--wrong"}}, 2, "--wrong"},
        {{.args = {"chat", q8, "-p", "x", "-n", "many"}}, 2, "many"},
        {{.args = {"chat", q8, "-p", "x", "--temp", "1,5"}}, 2, "1,5"},
        {{.args = {"help", "nothing"}}, 2, "nothing"},
        {{.args = {"show", q8}, .env = {"NIBBLE_CPU=i387"}}, 2, "NIBBLE_CPU"},
        {{.args = {"show", bad}}, 3, "bad.gguf"},
        {{.args = {"show", cut}}, 3, "cut.gguf"},
        {{.args = {"quantize", cut, "-t", "F16", "--allow-requantize"}}, 3, "cut.gguf"},
        {{.args = {"show", "/no/such.gguf"}}, 4, "/no/such.gguf"},
        {{.args = {"eval", q8, "-f", "/no/such.txt"}}, 4, "/no/such.txt"},
        {{.args = {"inspect", q8, "no.tensor"}}, 4, "no.tensor"},
        {{.args = {"synth", "no-shape"}}, 4, "no-shape"},
        {{.args = {"quantize", demo, "-t", "Q8_0", "-o", "/no/such/x.gguf"}},
         4,
         "No such file or directory"},
        {{.args = {"show", q8, "--json"}, .out = "/dev/full"}, 5, "stdout"},
        {{.args = {"quantize", demo, "-t", "Q8_0", "-o", q8}}, 10, "--force"},
        {{.args = {"synth", "demo", "-o", q8}}, 10, "--force"},
        {{.args = {"quantize", q2, "-t", "Q8_0"}}, 10, "--allow-requantize"},
    };
    for (size_t i = 0; i < countof(rows); i++)
        fails(&rows[i].how, rows[i].code, rows[i].part);
}

/* A13, A14: a disk that takes no more; the old file under the name stays. */
CHECK_TEST(cli, full_disk_leaves_the_old_file_and_no_leftover)
{
    const char *path = test_path(test_tmpdir(), "full/out.gguf");
    const char *part = test_path(test_tmpdir(), "full/out.gguf.part");
    nb_mkdirs(test_path(test_tmpdir(), "full"), NULL);
    test_spit(path, "old", 3);
    for (uint64_t limit = 4096; limit < 3u << 20; limit *= 8) {
        fails(&(child_how){.args = {"quantize", demo, "-t", "Q4_0", "-o", path, "--force"},
                           .file_limit = limit},
              5, "out.gguf");
        check(size_of(path) == 3 && !nb_exists(part), "limit %llu: %llu bytes, part %d",
              (unsigned long long)limit, (unsigned long long)size_of(path), nb_exists(part));
    }
    child c = RUN("quantize", demo, "-t", "Q4_0", "-o", path, "--force");
    check(c.code == 0 && size_of(path) > 3, "with space again: %s", c.err);
    child_free(&c);
}

/* tui 25: 130 within 200 ms and nothing left. A busy machine gets three tries for the time, none
 * for the rest. */
CHECK_TEST(cli, interrupt_ends_with_130_and_leaves_nothing)
{
    const char *source = test_path(test_tmpdir(), "int-F32.gguf");
    const char *path = test_path(test_tmpdir(), "int.gguf");
    const char *part = test_path(test_tmpdir(), "int.gguf.part");
    child c = RUN("synth", "demo", "-t", "F32", "-o", source);
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    double best = 1e9;
    for (int i = 0; i < 3 && best > test_within(0.2); i++) {
        c = child_run(
            &(child_how){.args = {"quantize", source, "-t", "Q2_K", "-o", path, "--threads", "1"},
                         .interrupt_when = part});
        check(c.code == 130, "status %d: %s", c.code, c.err);
        check(!nb_exists(path) && !nb_exists(part), "something is left");
        check(c.n_out == 0 && lines(c.err) == 1, "%s%s", c.out, c.err);
        best = c.after_signal < best ? c.after_signal : best;
        child_free(&c);
    }
    check(best <= test_within(0.2), "%.0f ms from SIGINT to the end", best * 1000);
}

/* --- protections ---------------------------------------------------------------------------- */

/* A17: whatever way the output's name leads to the input, it is refused and unchanged. */
CHECK_TEST(cli, output_is_never_the_input)
{
    const char *dir = test_path(test_tmpdir(), "cli_a17");
    nb_mkdirs(dir, NULL);
    const char *source = test_path(dir, "s.gguf");
    char before[65], after[65];
    child c = RUN("quantize", demo, "-t", "F16", "-o", source, "--force");
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    sha256_of(source, before);
    check(symlink("s.gguf", test_path(dir, "sym.gguf")) == 0, "symlink");
    check(link(source, test_path(dir, "hard.gguf")) == 0, "link");
    check(symlink(".", test_path(dir, "here")) == 0, "symlink");
    const char *const names[] = {"s.gguf",      "./s.gguf",          "sym.gguf", "hard.gguf",
                                 "here/s.gguf", "../cli_a17/s.gguf", ".//s.gguf"};
    for (size_t i = 0; i < countof(names); i++) {
        fails(&(child_how){.args = {"quantize", "s.gguf", "-t", "Q4_0", "-o", names[i], "--force"},
                           .dir = dir},
              10, "the model being read");
        sha256_of(source, after);
        check(strcmp(before, after) == 0, "-o %s changed the input", names[i]);
    }
}

/* tui 29: no terminal, no curses: a sentence, exit 2, not one escape byte. */
CHECK_TEST(cli, workbench_without_a_terminal_is_a_sentence)
{
    const child_how rows[] = {
        {.args = {NULL}}, {.args = {"demo"}}, {.args = {"--ascii", demo}}, {.args = {"ui"}}};
    for (size_t i = 0; i < countof(rows); i++)
        fails(&rows[i], 2, "terminal");
}

static bool only_text(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)s[i] < 32 && s[i] != '\n') || s[i] == 127)
            return false;
    return true;
}

/* A32: names of tensors and files are foreign text wherever they are printed. */
CHECK_TEST(cli, hostile_names_print_as_text)
{
    const char *dir = test_path(test_tmpdir(), "a32");
    nb_mkdirs(dir, NULL);
    gg_file f;
    gg_build(&f);
    memcpy(f.bytes.at + f.at[GG_T0_NAME], "\033[", 2); /* a CSI as a tensor's name */
    memcpy(f.bytes.at + f.at[GG_STRS_LEN1] + 8, "\033]", 2);
    static const char hostile[] = "\033]0;x\a\033[2J\n\r\302\233m.gguf";
    const char *path = test_path(dir, hostile);
    test_spit(path, f.bytes.at, f.bytes.len);
    nb_str_free(&f.bytes);
    const child_how rows[] = {
        {.args = {"show", path, "--tensors", "--keys"}},
        {.args = {"show", path, "--json"}},
        {.args = {"inspect", path, "\033["}},
        {.args = {"inspect", path, "\033[", "--json"}},
        {.args = {"inspect", path, "\033[31mno"}},
        {.args = {"quantize", path, "-t", "Q8_0", "-o", test_path(dir, "\033[1mo.gguf")}},
        {.args = {"quantize", demo, "-t", "Q8_0", "-o", test_path(dir, "\033[1mo.gguf")}},
        {.args = {"show", "\033[31m/no/such\n.gguf"}},
        {.args = {"quantize", demo, "-t", "\033[31mQ9"}},
        {.args = {"chat", demo, "-p", "x", "-n", "\033[31m"}},
        {.args = {"chat", demo, demo_file("Q2_K"), "-p", "\033[31m", "-n", "4"}},
        {.args = {"--\033[31m"}},
        {.args = {"show", demo}, .env = {"NIBBLE_CPU=\033[31m"}},
        {.args = {"config", "theme", "\033[31m"}},
        {.args = {"theme", "check", path}},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        child c = child_run(&rows[i]);
        check(only_text(c.out, c.n_out) && only_text(c.err, c.n_err), "row %zu (%s): %s%s", i,
              rows[i].args[0], c.out, c.err);
        check(c.code == 0 || lines(c.err) == 1, "row %zu: %s", i, c.err);
        child_free(&c);
    }
}

/* --- environment ---------------------------------------------------------------------------- */

/* Numbers read and print alike where the decimal point is a comma. */
CHECK_TEST(cli, locale_changes_no_number)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8"};
    const char *found = NULL;
    for (size_t i = 0; i < countof(names) && !found; i++)
        if (setlocale(LC_ALL, names[i]))
            found = names[i];
    setlocale(LC_ALL, "C");
    if (!found)
        check_skip("no locale with decimal commas is installed");
    char env[64];
    snprintf(env, sizeof env, "LC_ALL=%s", found);
    const char *q2 = demo_file("Q2_K"), *text = test_path(test_tmpdir(), "locale-text");
    test_spit(text, "a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8", 69);
    const child_how rows[] = {
        {.args = {"show", q2}},
        {.args = {"inspect", q2, "output.weight", "--json", "--against", demo}},
        {.args = {"inspect", q2, "output.weight", "--block", "3"}},
        {.args = {"quantize", demo, "-t", "Q4_K_M", "--dry-run"}},
        {.args = {"quantize", demo, "-t", "Q4_K_M", "--dry-run", "--json"}},
        {.args = {"chat", q2, "-p", "Hi", "-n", "8", "--temp", "0.7", "--top-p", "0.9"}},
        {.args = {"config"}},
        {.args = {"theme", "check", "themes/dark.theme", "--json"}},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        child_how how = rows[i];
        child plain = child_run(&how);
        how.env[0] = env;
        child comma = child_run(&how);
        check(plain.code == 0 && comma.code == 0, "%s: %d, %d", how.args[0], plain.code,
              comma.code);
        if (strcmp(how.args[0], "show") != 0) /* its fit line tells the memory free now */
            check(strcmp(plain.out, comma.out) == 0, "%s: %s and %s", how.args[0], plain.out,
                  comma.out);
        else
            check(lines(plain.out) == lines(comma.out) && !has(comma.out, "3,2"), "%s", comma.out);
        child_free(&plain);
        child_free(&comma);
    }
}

/* Every level of this machine runs, is the one told, and quantizes to the same bytes. */
CHECK_TEST(cli, nibble_cpu_is_a_ceiling)
{
    static const char *const levels[] = {"scalar", "avx2", "avxvnni", "avx512",
                                         "amx",    "neon", "dotprod", "i8mm"};
    const char *q8 = demo_file("Q8_0");
    const char *path = test_path(test_tmpdir(), "level.gguf");
    char first[65] = "", now[65], env[32];
    int ran = 0;
    for (size_t i = 0; i < countof(levels); i++) {
        unsigned flags;
        snprintf(env, sizeof env, "NIBBLE_CPU=%s", levels[i]);
        if (nk_cpu_cap(nk_cpu_detect(), levels[i], &flags, NULL) != NB_OK) {
            fails(&(child_how){.args = {"show", q8}, .env = {env}}, 2, levels[i]);
            continue;
        }
        child c = child_run(&(child_how){.args = {"doctor", "--json"}, .env = {env}});
        nb_json *doc = child_json(&c);
        const char *cpu;
        char told[32];
        snprintf(told, sizeof told, "using %s", levels[i]);
        check(nb_jstr(at(doc, "cpu.value"), &cpu) && has(cpu, told), "%s: %s", levels[i], c.out);
        nb_json_close(&doc);
        child_free(&c);
        c = child_run(&(child_how){.args = {"quantize", demo, "-t", "Q4_0", "-o", path, "--force"},
                                   .env = {env}});
        check(c.code == 0, "%s: %s", levels[i], c.err);
        child_free(&c);
        sha256_of(path, now);
        check(!ran || strcmp(first, now) == 0, "%s writes other bytes", levels[i]);
        memcpy(first, now, sizeof first);
        ran++;
    }
    check(ran > 0, "no level ran");
}
