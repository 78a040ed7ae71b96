/* download [MIB] [ROUNDS]: how fast `nibble pull` is beside what bounds it, in one run on one
 * machine: curl with four connections from the same fake Hub to files, this disk's write rate with
 * fsync, SHA-256 on one core. nibble's time holds everything: asking, hashing, fsync, link, ref.
 * The goal is 0.8 of the slowest of the three, with a peak below 64 MiB. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/base/job.h"
#include "core/base/str.h"
#include "tests/hub/fake_hub.h"
#include "tests/util.h"

enum { MIB = 1 << 20, STREAMS = 4 };
static const char nibble[] = NB_TEST_ROOT "/" NB_TEST_BUILD "/nibble";

static void die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

/* --- the Hub, a process of its own so that its memory and time are not nibble's -------------- */

/* Its origin; it ends when the pipe in *hold closes. */
static char *start_hub(uint64_t size, int *hold)
{
    int up[2], down[2];
    static char origin[200];
    if (pipe(up) != 0 || pipe(down) != 0)
        die("no pipe");
    if (fork() == 0) {
        fake_hub *hub;
        nb_err err = {0};
        char byte, sha256[65];
        close(down[1]);
        if (fake_hub_start(&hub, &(fake_hub_options){.cache = 2 * size}, &err) != NB_OK)
            die(err.msg);
        fake_repo *repo = fake_hub_add(hub, &(fake_repo_info){.id = "ns/bench"});
        fake_repo_noise(repo, "m.gguf", size, 1);
        fake_repo_sha256(repo, "m.gguf", sha256); /* computed before anything is timed */
        dprintf(up[1], "%s\n", fake_hub_origin(hub, FAKE_HUB));
        while (read(down[0], &byte, 1) > 0)
            ;
        fake_hub_stop(&hub);
        exit(0);
    }
    close(down[0]);
    *hold = down[1];
    ssize_t n = read(up[0], origin, sizeof origin - 1);
    if (n <= 1)
        die("the fake Hub does not start");
    origin[n - 1] = '\0';
    return origin;
}

/* --- the bounds ------------------------------------------------------------------------------ */

/* argv ends with NULL. */
static pid_t spawn(const char *const *argv, const char *out)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(fd, STDOUT_FILENO);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* Bytes per second of four curls, each its quarter into a file. */
static double curl_rate(const char *origin, const char *dir, uint64_t size)
{
    char url[400];
    pid_t pid[STREAMS];
    snprintf(url, sizeof url, "%s/ns/bench/resolve/main/m.gguf", origin);
    double start = nb_now();
    for (int i = 0; i < STREAMS; i++) {
        char range[64], name[600];
        snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, size / STREAMS * (uint64_t)i,
                 size / STREAMS * ((uint64_t)i + 1) - 1);
        snprintf(name, sizeof name, "%s/curl%d", dir, i);
        const char *argv[] = {"curl", "-sSL", "-r", range, "-o", name, url, NULL};
        pid[i] = spawn(argv, "/dev/null");
    }
    for (int i = 0; i < STREAMS; i++) {
        int status;
        if (waitpid(pid[i], &status, 0) != pid[i] || status != 0)
            die("curl failed");
    }
    double rate = (double)size / (nb_now() - start);
    for (int i = 0; i < STREAMS; i++) {
        char name[600];
        snprintf(name, sizeof name, "%s/curl%d", dir, i);
        unlink(name);
    }
    return rate;
}

static double disk_rate(const char *dir, uint64_t size)
{
    char name[600];
    uint8_t *chunk = malloc(MIB);
    fake_noise(3, 0, chunk, MIB);
    snprintf(name, sizeof name, "%s/written", dir);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    double start = nb_now();
    for (uint64_t at = 0; at < size; at += MIB)
        if (fd < 0 || write(fd, chunk, MIB) != MIB)
            die("the disk cannot be written");
    fsync(fd);
    double rate = (double)size / (nb_now() - start);
    close(fd);
    unlink(name);
    free(chunk);
    return rate;
}

static double hash_rate(void)
{
    enum { BUFFER = 16 * MIB, TIMES = 32 };
    nb_sha256 *h = NULL;
    char hex[65];
    uint8_t *buf = malloc(BUFFER);
    fake_noise(5, 0, buf, BUFFER);
    if (nb_sha256_open(&h, NULL) != NB_OK)
        die("no SHA-256");
    double start = nb_now();
    for (int i = 0; i < TIMES; i++)
        nb_sha256_add(h, buf, BUFFER);
    nb_sha256_hex(h, hex);
    double rate = (double)TIMES * BUFFER / (nb_now() - start);
    nb_sha256_close(&h);
    free(buf);
    return rate;
}

/* Bytes per second of a pull into an empty cache; *peak: its resident set in bytes. */
static double pull_rate(const char *origin, const char *dir, uint64_t size, double *peak)
{
    char home[600], command[700];
    struct rusage use;
    int status;
    snprintf(home, sizeof home, "%s/home", dir);
    setenv("HF_HOME", home, 1);
    setenv("HF_ENDPOINT", origin, 1);
    const char *argv[] = {nibble, "pull", "ns/bench:m.gguf", NULL};
    double start = nb_now();
    pid_t pid = spawn(argv, "/dev/null");
    if (wait4(pid, &status, 0, &use) != pid || status != 0)
        die("nibble pull failed");
    double rate = (double)size / (nb_now() - start);
    *peak = 1024. * (double)use.ru_maxrss;
    snprintf(command, sizeof command, "%s", home);
    const char *remove_argv[] = {"rm", "-rf", command, NULL};
    waitpid(spawn(remove_argv, "/dev/null"), &status, 0);
    return rate;
}

int main(int argc, char **argv)
{
    uint64_t size = (argc > 1 ? strtoull(argv[1], NULL, 10) : 1024) * MIB;
    int rounds = argc > 2 ? atoi(argv[2]) : 3, hold;
    char rate[4][16], rss[16];
    double best = 0, peak = 0;
    const char *dir = test_tmpdir();
    const char *origin = start_hub(size, &hold);
    curl_rate(origin, dir, size); /* the Hub's bytes come into memory */
    for (int i = 0; i < rounds; i++) {
        double used, curl = curl_rate(origin, dir, size), disk = disk_rate(dir, size);
        double hash = hash_rate(), pull = pull_rate(origin, dir, size, &used);
        double slowest = curl < disk ? curl : disk;
        slowest = hash < slowest ? hash : slowest;
        printf("curl x%d %s/s  disk %s/s  sha-256 %s/s  nibble pull %s/s  %.2f of the slowest\n",
               STREAMS, nb_human_bytes(rate[0], (uint64_t)curl),
               nb_human_bytes(rate[1], (uint64_t)disk), nb_human_bytes(rate[2], (uint64_t)hash),
               nb_human_bytes(rate[3], (uint64_t)pull), pull / slowest);
        fflush(stdout);
        best = pull / slowest > best ? pull / slowest : best;
        peak = used > peak ? used : peak;
    }
    printf("best %.2f of the slowest (goal 0.80), peak %s (goal below 67.1 MB)\n", best,
           nb_human_bytes(rss, (uint64_t)peak));
    close(hold);
    wait(NULL);
    return best >= .8 && peak < 64. * MIB ? 0 : 1;
}
