/* quantize's options as llama-quantize has them: whole files compared with what llama.cpp wrote, by
 * hash (tests/data/options.golden), shards, copies, and what is said of a command that is wrong. */
#include "tests/check.h"
#include "tests/quantize.h"
#include "tests/run_child.h"
#include "tests/util.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/quant/journal.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

static child run(const char *const *args)
{
    child_how how = {0};
    for (int i = 0; i < CHILD_ARGS && args[i]; i++)
        how.args[i] = args[i];
    return child_run(&how);
}
static uint64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static const char *source(const char *preset)
{
    char name[64];
    snprintf(name, sizeof name, "demo-%s.gguf", preset);
    const char *path = test_path(test_tmpdir(), name);
    if (!nb_exists(path)) {
        child c = RUN("quantize", test_data("nibble-demo"), "-t", preset, "-o", path, "-q");
        check(c.code == 0, "%s", c.err);
        child_free(&c);
    }
    return path;
}

static void expect_hash(const char *path, const char *want, const char *what)
{
    size_t n;
    char hash[65], *bytes = test_slurp(path, &n);
    check(bytes, "%s: no %s", what, path);
    test_sha256(bytes, n, hash);
    check(strcmp(hash, want) == 0, "%s: another file than llama.cpp's", what);
    free(bytes);
}

CHECK_TEST(quantize_cli, options_write_llama_quantizes_files)
{
    size_t n;
    int compared = 0;
    char *golden = test_slurp(test_data("options.golden"), &n), *save = NULL;
    const char *out = test_path(test_tmpdir(), "options.gguf"), *in = source("F32");
    for (char *line = strtok_r(golden, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char what[256], *word = NULL;
        if (line[0] == '#' || (SANITIZED && strstr(line, "_K")))
            continue;
        snprintf(what, sizeof what, "%s", line + 65);
        const char *args[CHILD_ARGS + 1] = {"quantize", in, "-o", out, "--force", "-t"};
        size_t k = 6;
        const char *hash = strtok_r(line, " ", &word);
        for (char *w = strtok_r(NULL, " ", &word); w && k < CHILD_ARGS;
             w = strtok_r(NULL, " ", &word))
            args[k++] = w;
        child c = run(args);
        check(c.code == 0, "%s: %s", what, c.err);
        expect_hash(out, hash, what);
        child_free(&c);
        compared++;
    }
    check(compared >= (SANITIZED ? 4 : 17), "%d compared", compared);
    free(golden);
}

CHECK_TEST(quantize_cli, patterns_come_from_a_file_too)
{
    const char *list = test_path(test_tmpdir(), "types.txt");
    static const char text[] = "attn_v=q8_0  ffn_down=q4_0\nATTN_K=q5_1\n";
    test_spit(list, text, sizeof text - 1);
    child c = RUN("quantize", test_data("nibble-demo"), "-t", "Q2_K", "--tensor-type-file", list,
                  "--tensor-type", "attn_v=q6_K", "--dry-run");
    check(c.code == 0, "%s", c.err);
    check(strstr(c.out, "blk.0.attn_v.weight          q6_K") &&
              strstr(c.out, "blk.0.ffn_down.weight        q4_0") &&
              strstr(c.out, "blk.0.attn_k.weight          q5_1") && strstr(c.out, "pattern attn_k"),
          "%s", c.out);
    check(strstr(c.err, "--tensor-type attn_v decides no tensor"), "%s", c.err);
    child_free(&c);
}

/* Layers by number, by share and as Q4_K_M chooses them: of six, 0 and 5 end the list, and of 0..4
 * every third from 2 on. */
CHECK_TEST(quantize_cli, rules_can_be_for_some_layers)
{
    static const struct {
        const char *rule, *layers;
    } row[] = {
        {"ffn_down@0-1,4=q8_0", "014"},  {"ffn_down@first/3=q8_0", "01"},
        {"ffn_down@last/2=q8_0", "345"}, {"ffn_down@more=q8_0", "25"},
        {"ffn_down=q8_0", "012345"},
    };
    for (size_t i = 0; i < countof(row); i++) {
        child c = RUN("quantize", test_data("nibble-demo"), "-t", "Q4_0", "--rule", row[i].rule,
                      "--dry-run");
        check(c.code == 0, "%s", c.err);
        for (int layer = 0; layer < 6; layer++) {
            char want[64];
            bool hit = strchr(row[i].layers, '0' + layer) != NULL;
            snprintf(want, sizeof want, "blk.%d.ffn_down.weight        %s", layer,
                     hit ? "q8_0" : "q4_0");
            check(strstr(c.out, want), "%s: layer %d: %s", row[i].rule, layer, c.out);
        }
        child_free(&c);
    }
}

CHECK_TEST(quantize_cli, shards_stay_shards_when_asked)
{
    quant_split(source("BF16"), test_path(test_tmpdir(), "sp"), 2);
    const char *in = test_path(test_tmpdir(), "sp-00002-of-00002.gguf"),
               *out = test_path(test_tmpdir(), "kept.gguf"),
               *one = test_path(test_tmpdir(), "kept-00001-of-00002.gguf"),
               *two = test_path(test_tmpdir(), "kept-00002-of-00002.gguf"),
               *whole = test_path(test_tmpdir(), "merged.gguf");
    child c = RUN("quantize", in, "-t", "Q8_0", "--keep-split", "-o", out, "--json");
    check(c.code == 0, "%s", c.err);
    check(strstr(c.out, "\"files\":[{") && strstr(c.out, "kept-00002-of-00002.gguf"), "%s", c.out);
    child_free(&c);
    c = RUN("quantize", in, "-t", "Q8_0", "-o", whole);
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    nb_weights *a = quant_open(one), *b = quant_open(whole);
    check(nb_weights_count(a) == nb_weights_count(b), "%zu tensors", nb_weights_count(a));
    check(!nb_kvs_find(nb_weights_kvs(b), "split.count"), "a merged file says it is split");
    for (size_t i = 0; i < nb_weights_count(b); i++) {
        const nb_tensor *x = &nb_weights_at(b, i)->t, *y = &nb_weights_find(a, x->name)->t;
        check(x->type == y->type && memcmp(x->bytes, y->bytes, x->nbytes) == 0, "%s", x->name);
    }
    nb_weights_close(&a);
    nb_weights_close(&b);
    unlink(one); /* a name that is taken stops all of them before the first */
    c = RUN("quantize", in, "-t", "Q8_0", "--keep-split", "-o", out);
    check(c.code == 10 && strstr(c.err, "kept-00002-of-00002.gguf exists") && !nb_exists(one), "%s",
          c.err);
    child_free(&c);
    unlink(two);
}

CHECK_TEST(quantize_cli, wrong_options_are_named)
{
    static const struct {
        const char *option, *value, *says;
        int code;
    } row[] = {
        {"--tensor-type", "ffn(=q8_0", "a \"(\" too many", 2},
        {"--tensor-type", "ffn", "expected REGEX=TYPE", 2},
        {"--tensor-type", "ffn=q9", "\"q9\" is no tensor type", 2},
        {"--tensor-type-file", "/no/such", "/no/such", 4},
        {"--rule", "ffn_down@9-2=q8_0", "after @ stand layers", 2},
        {"--prune-layers", "1,x", "\"x\" is no layer number", 2},
        {"--prune-layers", "6", "layer 6 to be left out: the model has 6", 2},
        {"--prune-layers", "0,1,2,3,4,5", "no layer would be left", 2},
        {"--override-kv", "a", "expected KEY=TYPE:VALUE", 2},
        {"--override-kv", "a=int:-1", "0..4294967295", 2},
        {"--override-kv", "a=bool:yes", "expected true or false", 2},
        {"--override-kv", "a=list:1", "int, float, bool or str", 2},
        {"--override-kv", "general.alignment=int:64", "the writer's own", 2},
        {"--method", "nope", "no method \"nope\"", 2},
        {"--method", "int4", NULL, 0},
        {"--method", "int8", "no tensor gets a type that it writes (Q8_0)", 2},
        {"--scheme", "asym", "method reference has no such choice", 2},
        {"--copy", NULL, "do not go together", 2},
    };
    for (size_t i = 0; i < countof(row); i++) {
        child c = RUN("quantize", test_data("nibble-demo"), "-t", "Q4_0", "--dry-run",
                      row[i].option, row[i].value);
        check(c.code == row[i].code && (!row[i].says || strstr(c.err, row[i].says)),
              "%s %s: %d: %s", row[i].option, row[i].value, c.code, c.err);
        child_free(&c);
    }
}

CHECK_TEST(quantize_cli, methods_bring_their_types_and_tell_what_they_gain)
{
    const char *out = test_path(test_tmpdir(), "method.gguf");
    child c = RUN("quantize", test_data("nibble-demo"), "--method", "int4", "--scheme", "asym",
                  "--group", "64", "--dry-run");
    check(c.code == 0 && strstr(c.out, "token_embd.weight            q4_1") &&
              strstr(c.out, "Nibble-Demo-Q4_1.gguf"),
          "%s%s", c.out, c.err);
    child_free(&c);
    c = RUN("quantize", test_data("nibble-demo"), "-t", "Q8_0", "--best", "-o", out);
    check(c.code == 0 && strstr(c.out, "q8_0: weighted squared error ") &&
              strstr(c.out, "% less than the reference's"),
          "%s%s", c.out, c.err);
    child_free(&c);
}

/* What it will cost is said before it is done: the coarsest source first. */
CHECK_TEST(quantize_cli, a_second_quantizing_says_what_it_costs)
{
    child c = RUN("quantize", source("Q4_0"), "-t", "Q4_K_M", "--allow-requantize", "--dry-run");
    const char *coarse = strstr(c.err, "tensors are q4_0 already (about 8.57 % off); q4_K adds "),
               *fine = strstr(c.err, "q6_K already");
    check(c.code == 0 && coarse && strstr(c.err, " % of weight error") && (!fine || fine > coarse),
          "%s", c.err);
    child_free(&c);
}

/* After a kill the same command goes on, another is refused with the way out (A15). */
CHECK_TEST(quantize_cli, a_killed_command_goes_on_where_it_was_a15)
{
    const char *in = source("F32"), *out = test_path(test_tmpdir(), "killed.gguf"),
               *part = test_path(test_tmpdir(), "killed.gguf.part"),
               *journal = test_path(test_tmpdir(), "killed.gguf.part.journal");
    pid_t pid = fork();
    if (pid == 0) {
        (void)!freopen("/dev/null", "w", stdout);
        (void)!freopen("/dev/null", "w", stderr);
        execl(child_nibble, "nibble", "quantize", in, "-t", "Q2_K", "-o", out, "--threads", "1",
              (char *)NULL);
        _exit(127);
    }
    int status = 0;
    while (size_of(journal) <= NB_JOURNAL_HEAD && waitpid(pid, &status, WNOHANG) == 0)
        usleep(200);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    if (nb_exists(out))
        check_skip("it was over before it could be killed");
    check(size_of(journal) > NB_JOURNAL_HEAD, "no leftover after a kill");
    child c = RUN("quantize", in, "-t", "Q2_K", "--pure", "-o", out);
    check(c.code == 10 && strstr(c.err, "--force starts anew") && nb_exists(part), "%d: %s", c.code,
          c.err);
    child_free(&c);
    c = RUN("quantize", in, "-t", "Q2_K", "-o", out, "--json");
    check(c.code == 0 && strstr(c.out, "\"kept\":"), "%s", c.err);
    child_free(&c);
    c = RUN("quantize", in, "-t", "Q2_K", "-o", test_path(test_tmpdir(), "straight.gguf"));
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    size_t n, m;
    char *a = test_slurp(out, &n), *b = test_slurp(test_path(test_tmpdir(), "straight.gguf"), &m);
    check(n == m && memcmp(a, b, n) == 0, "other bytes than straight through");
    free(a);
    free(b);
}
