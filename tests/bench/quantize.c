/* quantize [-t THREADS] [-r ROUNDS] MODEL [PRESET...] [--json]: how fast a model is quantized
 * beside what bounds it, in one run on one machine: reading the same mapped file and writing as
 * many bytes with fsync in the same folder, by as many threads. Each figure is the best of the
 * rounds, in which everything takes its turn, llama-quantize too where the environment variable
 * LLAMA_QUANTIZE is its path; then the two files are compared. What figures cost is the CPU time
 * spent in them, which the linker's --wrap lets this file take, as a share of the run's: two whole
 * runs differ by more from one time to the next.
 *
 * Rates count weights by wall time and by CPU time, which other programs disturb less; cycles come
 * from a chain of dependent steps timed in the same run. Output goes to the current folder. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/job.h"
#include "core/base/json.h"
#include "core/base/str.h"
#include "core/files/weights.h"
#include "core/quant/tile.h"
#include "kernels/cpu.h"
#include "kernels/pool.h"

enum { MIB = 1 << 20 };

static const char ours[] = "bench-quantize.gguf", theirs[] = "bench-quantize-peer.gguf";

typedef struct setup {
    const char *model, *peer; /* peer: NULL = none */
    int threads, rounds;
    bool json;
} setup;

/* What one process did. */
typedef struct cost {
    double seconds, cpu; /* wall; user and system of all threads */
    double figures;      /* CPU seconds in them, of all threads */
    double anonymous;    /* bytes of its peak that are not pages of mapped files */
} cost;

typedef struct result {
    const char *preset;
    uint64_t weights, bytes_in, bytes_out;
    cost ours, peer;
    double read, write; /* bytes per second */
    double hertz;
    bool same; /* as the peer's file */
} result;

static void die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static double least(double a, double b)
{
    return a == 0 || b < a ? b : a;
}

/* --- the bounds ------------------------------------------------------------------------------ */

/* Cycles per second: each step waits for the one before and takes one cycle for its shift and one
 * for its exclusive or on every CPU this is built for. */
static double clock_rate(void)
{
    struct timespec t[2]; /* of this thread: others may have its core meanwhile */
    enum { STEPS = 50000000 };
    volatile uint64_t seed = 88172645463325252u;
    uint64_t x = seed;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t[0]);
    for (int i = 0; i < STEPS; i++)
        x ^= x << 1;
    seed = x;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t[1]);
    return 2.0 * STEPS /
           ((double)(t[1].tv_sec - t[0].tv_sec) + 1e-9 * (double)(t[1].tv_nsec - t[0].tv_nsec));
}

typedef struct io {
    const nb_map *map;
    int fd;
    uint64_t size;
    uint8_t *chunk; /* [MIB] */
    _Atomic uint64_t sum;
} io;

static void read_part(void *arg, size_t begin, size_t end, int thread)
{
    io *o = arg;
    uint64_t sum = 0, v[8];
    (void)thread;
    for (size_t i = begin; i < end; i++)
        for (size_t k = 0; k + sizeof v <= MIB; k += sizeof v) {
            memcpy(v, o->map->at + i * MIB + k, sizeof v);
            sum += v[0] + v[1] + v[2] + v[3] + v[4] + v[5] + v[6] + v[7];
        }
    o->sum += sum;
}

static void write_part(void *arg, size_t begin, size_t end, int thread)
{
    io *o = arg;
    (void)thread;
    for (size_t i = begin; i < end; i++)
        if (nb_pwrite_all(o->fd, o->chunk, MIB, (uint64_t)i * MIB, ours, NULL) != NB_OK)
            die("the folder cannot be written");
}

static double read_rate(const setup *s, nk_pool *pool)
{
    nb_map map;
    if (nb_map_open(&map, s->model, NULL) != NB_OK || map.len < MIB)
        die("the model cannot be mapped");
    io o = {.map = &map};
    size_t n = (size_t)(map.len / MIB);
    double start = nb_now();
    nk_parallel(pool, n, 4, read_part, &o);
    double rate = (double)n * MIB / (nb_now() - start);
    nb_map_close(&map);
    return rate;
}

static double write_rate(uint64_t size, nk_pool *pool)
{
    uint8_t chunk[MIB];
    size_t n = (size_t)(size / MIB) + 1;
    for (size_t i = 0; i < MIB; i++)
        chunk[i] = (uint8_t)(i * i >> 5);
    io o = {.chunk = chunk, .fd = open(ours, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
    if (o.fd < 0)
        die("the folder cannot be written");
    double start = nb_now();
    nk_parallel(pool, n, 4, write_part, &o);
    if (fsync(o.fd) != 0 || close(o.fd) != 0)
        die("the folder cannot be written");
    double rate = (double)n * MIB / (nb_now() - start);
    unlink(ours);
    return rate;
}

/* --- what figures take ----------------------------------------------------------------------- */

enum { LINE = 64 };

/* By workspace, each on a line of its own: one thread at a time uses it. */
static struct {
    _Alignas(LINE) uint64_t ns;
    uint64_t calls;
} figures[1024];

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void spent(const nb_run *run, const nb_workspace *ws, uint64_t start)
{
    size_t i = (size_t)(ws - run->space) % countof(figures);
    figures[i].ns += now_ns() - start;
    figures[i].calls++;
}

void __real_nb_figures_add(nb_run *run, nb_workspace *ws, const nb_strip *s, nb_stats *stats);
void __real_nb_figures_flush(nb_run *run, nb_workspace *ws);
void __wrap_nb_figures_add(nb_run *run, nb_workspace *ws, const nb_strip *s, nb_stats *stats);
void __wrap_nb_figures_flush(nb_run *run, nb_workspace *ws);

void __wrap_nb_figures_add(nb_run *run, nb_workspace *ws, const nb_strip *s, nb_stats *stats)
{
    uint64_t start = now_ns();
    __real_nb_figures_add(run, ws, s, stats);
    spent(run, ws, start);
}

void __wrap_nb_figures_flush(nb_run *run, nb_workspace *ws)
{
    uint64_t start = now_ns();
    __real_nb_figures_flush(run, ws);
    spent(run, ws, start);
}

/* CPU seconds in figures, less what a look at the clock takes. */
static double figures_spent(void)
{
    enum { TIMES = 100000 };
    uint64_t ns = 0, calls = 0, start = now_ns();
    for (int i = 0; i < TIMES; i++)
        now_ns();
    double look = (double)(now_ns() - start) / TIMES;
    for (size_t i = 0; i < countof(figures); i++) {
        ns += figures[i].ns;
        calls += figures[i].calls;
    }
    return 1e-9 * ((double)ns - look * (double)calls);
}

/* --- one quantize, in a process of its own --------------------------------------------------- */

/* Peak resident set less what is mapped from files; 0 where /proc does not tell. */
static double anonymous_peak(void)
{
    char line[200];
    double peak = 0, file = 0, v;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "VmHWM: %lf", &v) == 1)
            peak = v;
        if (sscanf(line, "RssFile: %lf", &v) == 1)
            file = v;
    }
    if (f)
        fclose(f);
    return 1024 * (peak > file ? peak - file : 0);
}

static nb_status quantize(const setup *s, const char *preset, result *out, double *anonymous,
                          nb_err *err)
{
    nb_weights *w = NULL;
    nk_pool *pool = NULL;
    nb_run *run = NULL;
    nb_recipe r;
    nb_plan plan = {0};
    nk_ops ops;
    nb_quantize_options opt = {.force = true, .figures = NB_FIGURES_SAMPLE};
    nk_ops_init(&ops, nk_cpu_detect());
    nb_recipe_init(&r, nb_preset_find(preset));
    nb_status st = nb_weights_open(&w, s->model, err);
    if (st == NB_OK)
        st = nb_plan_make(&plan, &r, w, false, err);
    if (st == NB_OK)
        st = nk_pool_open(&pool, s->threads, err);
    if (st == NB_OK)
        st = nb_run_open(&run, &plan, ours, &opt, err);
    if (st == NB_OK)
        st = nb_run_go_pool(run, &ops, pool, NULL, err);
    *anonymous = anonymous_peak();
    out->weights = plan.params;
    out->bytes_in = plan.source_bytes;
    out->bytes_out = plan.tensor_bytes;
    nb_run_close(&run);
    nk_pool_close(&pool);
    nb_plan_free(&plan);
    nb_weights_close(&w);
    return st;
}

/* What a child reports through its pipe. */
typedef struct told {
    result sizes;
    double anonymous, figures;
} told;

static void take(pid_t pid, double start, cost *best)
{
    struct rusage use;
    int status;
    if (wait4(pid, &status, 0, &use) != pid || status != 0)
        die("a run failed");
    double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                 1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
    best->seconds = least(best->seconds, nb_now() - start);
    best->cpu = least(best->cpu, cpu);
}

static void run_ours(const setup *s, result *out, cost *best)
{
    int ends[2];
    told t = {0};
    if (pipe(ends) != 0)
        die("no pipe");
    double start = nb_now();
    pid_t pid = fork();
    if (pid == 0) {
        nb_err err = {0};
        if (quantize(s, out->preset, &t.sizes, &t.anonymous, &err) != NB_OK)
            die(err.msg);
        t.figures = figures_spent();
        _exit(write(ends[1], &t, sizeof t) == sizeof t ? 0 : 1);
    }
    close(ends[1]);
    bool whole = read(ends[0], &t, sizeof t) == sizeof t;
    close(ends[0]);
    take(pid, start, best);
    if (!whole)
        die("a run told nothing");
    out->weights = t.sizes.weights;
    out->bytes_in = t.sizes.bytes_in;
    out->bytes_out = t.sizes.bytes_out;
    best->figures = least(best->figures, t.figures);
    best->anonymous = t.anonymous > best->anonymous ? t.anonymous : best->anonymous;
}

static void run_peer(const setup *s, result *out)
{
    char threads[16];
    snprintf(threads, sizeof threads, "%d", s->threads);
    double start = nb_now();
    pid_t pid = fork();
    if (pid == 0) {
        int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (quiet < 0 || dup2(quiet, STDOUT_FILENO) < 0 || dup2(quiet, STDERR_FILENO) < 0)
            _exit(126);
        execl(s->peer, s->peer, s->model, theirs, out->preset, threads, (char *)NULL);
        _exit(127);
    }
    take(pid, start, &out->peer);
}

static bool files_equal(void)
{
    nb_map a, b;
    if (nb_map_open(&a, ours, NULL) != NB_OK)
        return false;
    bool same = nb_map_open(&b, theirs, NULL) == NB_OK;
    if (same) {
        same = a.len == b.len && memcmp(a.at, b.at, (size_t)a.len) == 0;
        nb_map_close(&b);
    }
    nb_map_close(&a);
    return same;
}

static void measure(const setup *s, nk_pool *pool, result *out)
{
    for (int i = 0; i < s->rounds; i++) {
        run_ours(s, out, &out->ours);
        if (s->peer) {
            run_peer(s, out);
            out->same = files_equal();
            unlink(theirs);
        }
        unlink(ours);
        double read = read_rate(s, pool), write = write_rate(out->bytes_out, pool);
        double hertz = clock_rate();
        out->read = read > out->read ? read : out->read;
        out->write = write > out->write ? write : out->write;
        out->hertz = hertz > out->hertz ? hertz : out->hertz;
    }
}

/* --- what came out --------------------------------------------------------------------------- */

/* Seconds that reading or writing alone takes. */
static double limit(const result *r)
{
    double in = (double)r->bytes_in / r->read, out = (double)r->bytes_out / r->write;
    return in > out ? in : out;
}

/* Share of a run that goes into its figures. */
static double telemetry(const result *r)
{
    return r->ours.figures / r->ours.cpu;
}

static void number(nb_jout *j, const char *key, double v)
{
    nb_jout_key(j, key);
    nb_jout_double(j, v);
}

static void print_json(const setup *s, const result *r, size_t n)
{
    nb_str text = {0};
    nb_jout j = nb_jout_make(&text);
    nb_jout_object(&j);
    nb_jout_key(&j, "model"), nb_jout_str(&j, s->model);
    number(&j, "threads", s->threads);
    number(&j, "rounds", s->rounds);
    nb_jout_key(&j, "presets"), nb_jout_array(&j);
    for (; n; n--, r++) {
        nb_jout_object(&j);
        nb_jout_key(&j, "preset"), nb_jout_str(&j, r->preset);
        number(&j, "weights_per_s", (double)r->weights / r->ours.seconds);
        number(&j, "weights_per_cpu_s", (double)r->weights / r->ours.cpu);
        number(&j, "cycles_per_weight", r->ours.cpu * r->hertz / (double)r->weights);
        number(&j, "input_bytes_per_s", (double)r->bytes_in / r->ours.seconds);
        number(&j, "read_bytes_per_s", r->read);
        number(&j, "write_bytes_per_s", r->write);
        number(&j, "of_limit", limit(r) / r->ours.seconds);
        number(&j, "output_bytes_per_s", (double)r->bytes_out / r->ours.seconds);
        number(&j, "telemetry", telemetry(r));
        number(&j, "cpu_s", r->ours.cpu);
        number(&j, "peak_bytes", r->ours.anonymous);
        if (s->peer) {
            number(&j, "peer_cpu_s", r->peer.cpu);
            number(&j, "cpu_ratio", r->peer.cpu / r->ours.cpu);
            number(&j, "wall_ratio", r->peer.seconds / r->ours.seconds);
            nb_jout_key(&j, "same_bytes"), nb_jout_bool(&j, r->same);
        }
        nb_jout_object_end(&j);
    }
    nb_jout_array_end(&j);
    nb_jout_object_end(&j);
    if (text.failed)
        die("no memory");
    printf("%.*s\n", (int)text.len, text.at);
    nb_str_free(&text);
}

static void print_line(const setup *s, const result *r)
{
    char rate[4][16], peak[16];
    printf("%-8s %7.1f Mw/s %7.1f Mw/CPU s %6.1f cycles/w  in %s/s out %s/s (read %s/s, write "
           "%s/s: %.2f of the limit)  telemetry %.2f %%  peak %s",
           r->preset, 1e-6 * (double)r->weights / r->ours.seconds,
           1e-6 * (double)r->weights / r->ours.cpu, r->ours.cpu * r->hertz / (double)r->weights,
           nb_human_bytes(rate[0], (uint64_t)((double)r->bytes_in / r->ours.seconds)),
           nb_human_bytes(rate[3], (uint64_t)((double)r->bytes_out / r->ours.seconds)),
           nb_human_bytes(rate[1], (uint64_t)r->read), nb_human_bytes(rate[2], (uint64_t)r->write),
           limit(r) / r->ours.seconds, 100 * telemetry(r),
           nb_human_bytes(peak, (uint64_t)r->ours.anonymous));
    if (s->peer)
        printf("  llama-quantize %.1f CPU s against %.1f: %.1f times, %.1f by the clock, %s bytes",
               r->peer.cpu, r->ours.cpu, r->peer.cpu / r->ours.cpu,
               r->peer.seconds / r->ours.seconds, r->same ? "the same" : "OTHER");
    printf("\n");
    fflush(stdout);
}

static int whole(const char *text)
{
    char *end;
    long v = strtol(text, &end, 10);
    if (*end || v < 1 || v > 1024)
        die("-t and -r take a whole number from 1 on");
    return (int)v;
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"Q4_K_M", "Q5_K_M", "Q6_K", "Q3_K_M", "Q8_0", "Q4_0"};
    enum { USUAL = sizeof usual / sizeof *usual, MOST = 64 };
    static result r[MOST];
    setup s = {.threads = nk_cpu_count(), .rounds = 3, .peer = getenv("LLAMA_QUANTIZE")};
    int opt, n = 0;
    if (argc > 1 && strcmp(argv[argc - 1], "--json") == 0) {
        s.json = true;
        argc--;
    }
    while ((opt = getopt(argc, argv, "t:r:")) != -1) {
        if (opt == '?')
            die("quantize [-t THREADS] [-r ROUNDS] MODEL [PRESET...] [--json]");
        *(opt == 't' ? &s.threads : &s.rounds) = whole(optarg);
    }
    if (optind == argc)
        die("quantize [-t THREADS] [-r ROUNDS] MODEL [PRESET...] [--json]");
    s.model = argv[optind++];
    s.peer = s.peer && *s.peer ? s.peer : NULL;
    nk_pool *pool = NULL;
    if (nk_pool_open(&pool, s.threads, NULL) != NB_OK)
        die("no threads");
    for (int i = optind; n < MOST && i < (optind < argc ? argc : optind + USUAL); i++, n++) {
        r[n].preset = optind < argc ? argv[i] : usual[i - optind];
        if (!nb_preset_find(r[n].preset))
            die("an unknown preset");
        measure(&s, pool, &r[n]);
        if (!s.json)
            print_line(&s, &r[n]);
    }
    if (s.json)
        print_json(&s, r, (size_t)n);
    nk_pool_close(&pool);
    return 0;
}
