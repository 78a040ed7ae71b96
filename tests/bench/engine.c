/* engine [-t THREADS] [-r ROUNDS] [-p PROMPT] [-n ANSWER] [-d DEPTH] MODEL... [--json]: how fast
 * `nibble bench` reads a prompt and writes an answer beside llama.cpp's llama-bench and
 * ik_llama.cpp's, where the environment variables LLAMA_BENCH and IK_BENCH hold paths of such
 * programs, several of them with colons between. Each runs with and without flash attention, or
 * without and with run-time repacking, in turn with all others, and has the median of its rounds.
 * Ratios are to the fastest of a project. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/json.h"
#include "core/base/str.h"
#include "kernels/cpu.h"

enum { MOST_WAYS = 24, MOST_ROUNDS = 64, MOST_WORDS = 24, MOST_OUTPUT = 1 << 20, NUMBER = 16 };

typedef enum project { NIBBLE, LLAMA, IK, PROJECTS } project;

static const char *const project_name[] = {"nibble", "llama.cpp", "ik_llama.cpp"};

/* A program and how it is called. */
typedef struct way {
    project of;
    const char *program, *flag, *value;               /* NULL: none */
    double prefill[MOST_ROUNDS], decode[MOST_ROUNDS]; /* tokens per second */
} way;

typedef struct setup {
    int threads, rounds, prompt, answer, depth;
    bool json;
    way way[MOST_WAYS];
    size_t ways;
} setup;

/* Of nibble, besides speeds. */
typedef struct limits {
    double prefill[MOST_ROUNDS], decode[MOST_ROUNDS], bandwidth[MOST_ROUNDS], rss;
} limits;

static void die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

/* --- programs ----------------------------------------------------------------------------------
 */

/* What a program says on standard output. */
static void output_of(const char *const *argv, nb_str *out)
{
    int ends[2], status;
    char part[4096];
    if (pipe(ends) != 0)
        die("no pipe");
    pid_t pid = fork();
    if (pid == 0) {
        int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (quiet < 0 || dup2(quiet, STDERR_FILENO) < 0 || dup2(ends[1], STDOUT_FILENO) < 0)
            _exit(126);
        close(ends[0]);
        close(ends[1]);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(ends[1]);
    for (ssize_t n; pid > 0 && (n = read(ends[0], part, sizeof part)) > 0;)
        nb_str_addn(out, part, (size_t)n);
    close(ends[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0 || out->failed) {
        fprintf(stderr, "bench: %s failed\n", argv[0]);
        exit(1);
    }
}

static nb_json *json_in(const nb_str *text, const char *program)
{
    const char *from = nb_str_c(text), *begin = strpbrk(from, "[{");
    nb_json *doc;
    nb_err err = {0};
    if (!begin || nb_json_parse(&doc, begin, strlen(begin), MOST_OUTPUT, program, &err) != NB_OK)
        die(begin ? err.msg : "a program gave no JSON");
    return doc;
}

static double number(const nb_jval *object, const char *key)
{
    double v;
    if (!nb_jnum(nb_jget(object, key), &v))
        die("a program's JSON lacks a figure");
    return v;
}

/* llama-bench has an object for the prompt and one for the answer. */
static void take_peer(const nb_jval *root, way *w, int round)
{
    for (const nb_jval *v = nb_jfirst(root); v; v = nb_jnext(v))
        *(number(v, "n_gen") > 0 ? &w->decode[round] : &w->prefill[round]) = number(v, "avg_ts");
    if (!(w->decode[round] > 0 && w->prefill[round] > 0))
        die("llama-bench gave no speed");
}

static void take_ours(const nb_jval *root, way *w, limits *l, int round)
{
    w->prefill[round] = number(root, "pp_tok_s");
    w->decode[round] = number(root, "tg_tok_s");
    l->prefill[round] = number(root, "pp_fraction");
    l->decode[round] = number(root, "tg_fraction");
    l->bandwidth[round] = number(root, "bandwidth");
    l->rss = number(root, "rss");
}

static void run(const setup *s, way *w, const char *model, limits *l, int round)
{
    char threads[NUMBER], prompt[NUMBER], answer[NUMBER], depth[NUMBER];
    const char *argv[MOST_WORDS] = {w->program};
    size_t n = 1;
    nb_str text = {0};
    snprintf(threads, sizeof threads, "%d", s->threads);
    snprintf(prompt, sizeof prompt, "%d", s->prompt);
    snprintf(answer, sizeof answer, "%d", s->answer);
    snprintf(depth, sizeof depth, "%d", s->depth);
    if (w->of == NIBBLE) {
        const char *const ours[] = {"bench", model,       "-p",    prompt,   "-n",
                                    answer,  "-r",        "1",     "--json", "--depth",
                                    depth,   "--threads", threads, "-q"};
        for (size_t i = 0; i < countof(ours); i++)
            argv[n++] = ours[i];
    } else {
        const char *const theirs[] = {"-m",    model, "-p", prompt, "-n",   answer,  "-t",
                                      threads, "-r",  "1",  "-o",   "json", w->flag, w->value};
        for (size_t i = 0; i < countof(theirs); i++)
            argv[n++] = theirs[i];
        for (int i = 0; s->depth && i < 2; i++)
            argv[n++] = i ? depth : "-d";
        if (w->of == IK) {
            argv[n++] = "-fa";
            argv[n++] = "1";
        }
    }
    argv[n] = NULL;
    output_of(argv, &text);
    nb_json *doc = json_in(&text, w->program);
    if (w->of == NIBBLE)
        take_ours(nb_json_root(doc), w, l, round);
    else
        take_peer(nb_json_root(doc), w, round);
    nb_json_close(&doc);
    nb_str_free(&text);
}

static void add_way(setup *s, project of, const char *program, const char *flag, const char *value)
{
    if (s->ways == MOST_WAYS)
        die("too many programs");
    s->way[s->ways++] = (way){.of = of, .program = program, .flag = flag, .value = value};
}

/* Paths with colons between; the text is kept. */
static void add_peers(setup *s, project of, const char *variable, const char *flag)
{
    const char *paths = getenv(variable);
    for (char *at = paths ? strdup(paths) : NULL; at && *at;) {
        char *program = at, *end = strchr(at, ':');
        at = end ? end + 1 : NULL;
        if (end)
            *end = '\0';
        add_way(s, of, program, flag, "0");
        add_way(s, of, program, flag, "1");
    }
}

/* --- what came out -----------------------------------------------------------------------------
 */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *v, int n)
{
    double sorted[MOST_ROUNDS];
    memcpy(sorted, v, (size_t)n * sizeof *v);
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

/* The best of a project's ways; 0: it has none. */
static double best(const setup *s, project of, bool decode)
{
    double most = 0;
    for (size_t i = 0; i < s->ways; i++) {
        const way *w = &s->way[i];
        double v = w->of == of ? median(decode ? w->decode : w->prefill, s->rounds) : 0;
        most = v > most ? v : most;
    }
    return most;
}

static void print_text(const setup *s, const char *model, const limits *l)
{
    char rss[16];
    printf("%s\n", model);
    for (size_t i = 0; i < s->ways; i++) {
        const way *w = &s->way[i];
        printf("  prefill %7.1f  decode %6.1f tok/s  ", median(w->prefill, s->rounds),
               median(w->decode, s->rounds));
        if (w->of == NIBBLE)
            printf("nibble: %.2f of the multiply-adds, %.2f of %.1f GB/s, RSS %s\n",
                   median(l->prefill, s->rounds), median(l->decode, s->rounds),
                   1e-9 * median(l->bandwidth, s->rounds), nb_human_bytes(rss, (uint64_t)l->rss));
        else
            printf("%s %s %s (%s)\n", project_name[w->of], w->flag, w->value, w->program);
    }
    for (project p = LLAMA; p < PROJECTS; p++)
        if (best(s, p, false) > 0)
            printf("  %.2f and %.2f times the best of %s\n",
                   best(s, NIBBLE, false) / best(s, p, false),
                   best(s, NIBBLE, true) / best(s, p, true), project_name[p]);
    fflush(stdout);
}

static void put(nb_jout *j, const char *key, double v)
{
    nb_jout_key(j, key);
    nb_jout_double(j, v);
}

static void put_model(nb_jout *j, const setup *s, const char *model, const limits *l)
{
    nb_jout_object(j);
    nb_jout_key(j, "model"), nb_jout_str(j, model);
    put(j, "prefill_fraction", median(l->prefill, s->rounds));
    put(j, "decode_fraction", median(l->decode, s->rounds));
    put(j, "bandwidth", median(l->bandwidth, s->rounds));
    put(j, "rss", l->rss);
    nb_jout_key(j, "programs"), nb_jout_array(j);
    for (size_t i = 0; i < s->ways; i++) {
        const way *w = &s->way[i];
        nb_jout_object(j);
        nb_jout_key(j, "project"), nb_jout_str(j, project_name[w->of]);
        nb_jout_key(j, "program"), nb_jout_str(j, w->program);
        if (w->flag)
            nb_jout_key(j, w->flag), nb_jout_str(j, w->value);
        put(j, "prefill_tok_s", median(w->prefill, s->rounds));
        put(j, "decode_tok_s", median(w->decode, s->rounds));
        nb_jout_object_end(j);
    }
    nb_jout_array_end(j);
    nb_jout_object_end(j);
}

/* --- the command -------------------------------------------------------------------------------
 */

static int whole(const char *text, long least)
{
    char *end;
    long v = strtol(text, &end, 10);
    if (end == text || *end || v < least || v > 1 << 20)
        die("a figure is no whole number, or too small or too large");
    return (int)v;
}

static const char usage[] = "engine [-t THREADS] [-r ROUNDS] [-p PROMPT] [-n ANSWER] [-d DEPTH] "
                            "MODEL... [--json]";

static void read_options(setup *s, int argc, char **argv)
{
    for (int opt; (opt = getopt(argc, argv, "t:r:p:n:d:")) != -1;)
        switch (opt) {
        case 't':
            s->threads = whole(optarg, 1);
            break;
        case 'r':
            s->rounds = whole(optarg, 1);
            break;
        case 'p':
            s->prompt = whole(optarg, 1);
            break;
        case 'n':
            s->answer = whole(optarg, 1);
            break;
        case 'd':
            s->depth = whole(optarg, 0);
            break;
        default:
            die(usage);
        }
    if (optind == argc || s->rounds > MOST_ROUNDS)
        die(usage);
}

int main(int argc, char **argv)
{
    static setup s = {.rounds = 3, .prompt = 512, .answer = 48};
    nb_str text = {0};
    nb_jout j = nb_jout_make(&text);
    if (argc > 1 && strcmp(argv[argc - 1], "--json") == 0) {
        s.json = true;
        argc--;
    }
    s.threads = nk_cpu_count();
    read_options(&s, argc, argv);
    add_way(&s, NIBBLE, NB_TEST_BUILD "/nibble", NULL, NULL);
    add_peers(&s, LLAMA, "LLAMA_BENCH", "-fa");
    add_peers(&s, IK, "IK_BENCH", "-rtr");
    nb_jout_array(&j);
    for (int i = optind; i < argc; i++) {
        limits l = {0};
        for (int round = 0; round < s.rounds; round++)
            for (size_t k = 0; k < s.ways; k++)
                run(&s, &s.way[k], argv[i], &l, round);
        if (s.json)
            put_model(&j, &s, argv[i], &l);
        else
            print_text(&s, argv[i], &l);
    }
    nb_jout_array_end(&j);
    if (text.failed)
        die("no memory");
    if (s.json)
        printf("%s\n", nb_str_c(&text));
    nb_str_free(&text);
    return 0;
}
