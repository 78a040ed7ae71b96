#include "tests/check.h"

#include "core/base/config.h"
#include "core/base/file.h"
#include "core/base/flush.h"
#include "core/base/str.h"
#include "core/base/touch.h"
#include "tests/util.h"

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

CHECK_TEST(file, maps_and_reads_whole_files)
{
    const char *path = test_path(test_tmpdir(), "whole");
    nb_err err = {0};
    nb_map m;
    char *text;
    size_t n;
    test_spit(path, "hello", 5);
    check(nb_map_open(&m, path, &err) == NB_OK, "%s", err.msg);
    check(m.len == 5 && memcmp(m.at, "hello", 5) == 0, "mapped bytes");
    unlink(path);
    check(m.at[4] == 'o' && !nb_map_lost(&m), "the mapping outlives the name");
    nb_map_close(&m);
    check(!m.at && m.len == 0, "closed");
    test_spit(path, "hello", 5);
    check(nb_file_read(&text, &n, path, 5, &err) == NB_OK && n == 5 && strcmp(text, "hello") == 0,
          "%s", err.msg);
    free(text);
    check(nb_file_read(&text, &n, path, 4, &err) == NB_FORMAT && strstr(err.msg, "5 bytes") &&
              strstr(err.msg, "limit is 4"),
          "%s", err.msg);
    test_spit(path, "", 0);
    check(nb_file_read(&text, &n, path, 0, &err) == NB_OK && n == 0 && text[0] == '\0', "empty");
    free(text);
    check(nb_map_open(&m, path, &err) == NB_OK && m.at == NULL && m.len == 0, "empty map");
    nb_map_close(&m);
}

/* Hints change no byte, wherever a range begins and ends. */
CHECK_TEST(file, advice_about_a_map_leaves_its_bytes)
{
    enum { N = 50000 };
    const char *path = test_path(test_tmpdir(), "advised");
    nb_map m;
    nb_err err = {0};
    uint8_t *bytes = malloc(N);
    for (size_t i = 0; i < N; i++)
        bytes[i] = (uint8_t)(i * 31 >> 3);
    test_spit(path, bytes, N);
    check(nb_map_open(&m, path, &err) == NB_OK, "%s", err.msg);
    for (size_t from = 1; from < N; from += 9973) {
        nb_map_ahead(m.at + from, N - from);
        nb_map_behind(m.at + from, N - from);
        nb_map_behind(m.at + from, 1);
        check(memcmp(m.at, bytes, N) == 0 && !nb_map_lost(&m), "from %zu", from);
    }
    nb_map_close(&m);
    free(bytes);
}

/* Bytes taken of a file system in memory by reserving n. */
static uint64_t reserved_in_memory(uint64_t n)
{
    char path[64];
    struct stat st;
    nb_err err;
    snprintf(path, sizeof path, "/dev/shm/nibble-reserve-%ld", (long)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    check(fd >= 0 && unlink(path) == 0, "%s", path);
    check(nb_reserve(fd, n, path, &err) == NB_OK && fstat(fd, &st) == 0, "%s", err.msg);
    close(fd);
    return (uint64_t)st.st_blocks * 512;
}

CHECK_TEST(file, a_little_is_reserved_in_memory_and_much_is_not)
{
    struct statfs fs;
    if (statfs("/dev/shm", &fs) != 0 || fs.f_type != TMPFS_MAGIC || fs.f_bavail < 1000)
        check_skip("/dev/shm is no tmpfs with room");
    check(reserved_in_memory(1 << 20) >= 1 << 20, "1 MiB was not taken");
    check(reserved_in_memory(UINT64_C(65) << 20) == 0, "65 MiB were taken");
}

CHECK_TEST(file, replaces_whole_or_not_at_all)
{
    const char *path = test_path(test_tmpdir(), "target");
    nb_err err = {0};
    size_t n;
    struct stat st;
    check(nb_replace_file(path, "one", 3, 0600, &err) == NB_OK, "%s", err.msg);
    check(nb_replace_file(path, "two!", 4, 0, &err) == NB_OK, "%s", err.msg);
    char *text = test_slurp(path, &n);
    check(n == 4 && memcmp(text, "two!", 4) == 0, "content %s", text);
    free(text);
    check(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "mode %o", st.st_mode & 0777);
}

CHECK_TEST(file, replacing_keeps_a_symlink_and_leaves_no_temp)
{
    const char *dir = test_path(test_tmpdir(), "links");
    const char *real = test_path(dir, "real"), *link = test_path(dir, "link");
    nb_err err = {0};
    struct stat st;
    char *text;
    check(nb_mkdirs(dir, &err) == NB_OK, "%s", err.msg);
    test_spit(real, "old", 3);
    check(symlink("real", link) == 0, "symlink");
    check(nb_replace_file(link, "new", 3, 0, &err) == NB_OK, "%s", err.msg);
    check(lstat(link, &st) == 0 && S_ISLNK(st.st_mode), "the link is a link");
    text = test_slurp(real, NULL);
    check(strcmp(text, "new") == 0, "%s", text);
    free(text);
    check(nb_replace_file(dir, "x", 1, 0, &err) != NB_OK, "a folder is not replaced");
    check(nb_replace_file(test_path(dir, "no/file"), "x", 1, 0, &err) == NB_NOTFOUND, "%s",
          err.msg);
    DIR *d = opendir(dir);
    int names = 0;
    for (struct dirent *e; (e = readdir(d));)
        names += e->d_name[0] != '.' || strlen(e->d_name) > 2;
    closedir(d);
    check(names == 2, "%d names in the folder", names);
}

CHECK_TEST(file, appends_whole_records)
{
    const char *path = test_path(test_tmpdir(), "log");
    nb_err err = {0};
    struct stat st;
    char *text;
    check(nb_append_file(path, "one\n", 4, &err) == NB_OK, "%s", err.msg);
    check(nb_append_file(path, "two\n", 4, &err) == NB_OK, "%s", err.msg);
    text = test_slurp(path, NULL);
    check(strcmp(text, "one\ntwo\n") == 0, "%s", text);
    free(text);
    check(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "mode %o", st.st_mode & 0777);
}

CHECK_TEST(file, publishes_a_finished_part)
{
    const char *part = test_path(test_tmpdir(), "m.part"), *final = test_path(test_tmpdir(), "m");
    nb_err err = {0};
    uint8_t back[4];
    int fd = open(part, O_RDWR | O_CREAT | O_EXCL, 0666);
    check(fd >= 0 && nb_pwrite_all(fd, "cd", 2, 2, part, &err) == NB_OK &&
              nb_pwrite_all(fd, "ab", 2, 0, part, &err) == NB_OK,
          "%s", err.msg);
    check(nb_pread_all(fd, back, 4, 0, part, &err) == NB_OK && memcmp(back, "abcd", 4) == 0,
          "read");
    check(nb_pread_all(fd, back, 4, 2, part, &err) == NB_IO && strstr(err.msg, "has 2"), "%s",
          err.msg);
    check(nb_publish_file(fd, part, final, &err) == NB_OK, "%s", err.msg);
    check(!nb_exists(part) && nb_exists(final), "renamed");
}

CHECK_TEST(file, opens_regular_files_only)
{
    const char *fifo = test_path(test_tmpdir(), "fifo");
    nb_err err = {0};
    nb_map m;
    char *text;
    size_t n;
    check(mkfifo(fifo, 0600) == 0, "mkfifo");
    const char *const odd[] = {fifo, "/dev/zero", "/dev/random", test_tmpdir(), "/dev/tty"};
    for (size_t i = 0; i < countof(odd); i++) {
        check(nb_map_open(&m, odd[i], &err) != NB_OK, "%s mapped", odd[i]);
        check(nb_file_read(&text, &n, odd[i], 100, &err) != NB_OK, "%s read", odd[i]);
    }
    check(nb_append_file(fifo, "x", 1, &err) != NB_OK, "appended to a fifo");
    check(nb_map_open(&m, "/nonexistent/x", &err) == NB_NOTFOUND &&
              strstr(err.msg, "/nonexistent/x"),
          "%s", err.msg);
    check(nb_file_read(&text, &n, "/proc/self/cmdline", 1 << 16, &err) == NB_OK && n > 0, "%s",
          err.msg);
    free(text);
    check(nb_file_read(&text, &n, "/proc/self/cmdline", 2, &err) == NB_FORMAT,
          "limit without a size");
}

CHECK_TEST(file, knows_one_file_behind_many_names) /* A17 */
{
    const char *dir = test_path(test_tmpdir(), "same");
    const char *in = test_path(dir, "in");
    char names[6][512], here[512];
    nb_mkdirs(test_path(dir, "sub"), NULL);
    test_spit(in, "x", 1);
    check(getcwd(here, sizeof here) && symlink("in", test_path(dir, "soft")) == 0 &&
              link(in, test_path(dir, "hard")) == 0 && symlink(".", test_path(dir, "loop")) == 0,
          "links");
    snprintf(names[0], 512, "%s", in);
    snprintf(names[1], 512, "%s/soft", dir);
    snprintf(names[2], 512, "%s/hard", dir);
    snprintf(names[3], 512, "%s/./sub/../in", dir);
    snprintf(names[4], 512, "%s/loop/loop/in", dir);
    snprintf(names[5], 512, "%s//in", dir);
    for (size_t i = 0; i < countof(names); i++)
        check(nb_same_file(in, names[i]) && nb_same_file(names[i], in), "%s", names[i]);
    test_spit(test_path(dir, "copy"), "x", 1);
    check(!nb_same_file(in, test_path(dir, "copy")), "a copy is another file");
    check(!nb_same_file(in, test_path(dir, "none")) && !nb_same_file("/none/a", "/none/a"),
          "absent");
}

/* Runs step in a child that may write `limit` bytes per file; true when it says all is well. */
static bool limited(rlim_t limit, bool (*step)(const char *), const char *path)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit r = {limit, limit};
        signal(SIGXFSZ, SIG_IGN);
        _exit(setrlimit(RLIMIT_FSIZE, &r) == 0 && step(path) ? 0 : 1);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool replace_fails_cleanly(const char *path)
{
    static char big[5000];
    nb_err err = {0};
    return nb_replace_file(path, big, sizeof big, 0, &err) == NB_NOSPACE &&
           strstr(err.msg, "missing");
}

static bool append_fails_cleanly(const char *path)
{
    static char big[5000];
    nb_err err = {0};
    return nb_append_file(path, big, sizeof big, &err) == NB_NOSPACE;
}

CHECK_TEST(file, survives_a_full_disk_at_every_fill) /* A14: short write, then EFBIG */
{
    const char *dir = test_path(test_tmpdir(), "full");
    static const rlim_t fill[] = {0, 1, 511, 512, 4095, 4096, 4999};
    nb_mkdirs(dir, NULL);
    for (size_t i = 0; i < countof(fill); i++) {
        const char *path = test_path(dir, "kept");
        size_t n;
        test_spit(path, "old", 3);
        check(limited(fill[i], replace_fails_cleanly, path), "replace at %d", (int)fill[i]);
        check(limited(fill[i], append_fails_cleanly, path), "append at %d", (int)fill[i]);
        char *text = test_slurp(path, &n);
        check(n == 3 && memcmp(text, "old", 3) == 0, "%zu bytes at fill %d", n, (int)fill[i]);
        free(text);
        unlink(path);
        check(rmdir(dir) == 0 && nb_mkdirs(dir, NULL) == NB_OK, "a temp file is left: %s",
              strerror(errno));
    }
}

CHECK_TEST(file, asks_for_space_before_writing) /* A14 */
{
    nb_err err = {0};
    uint64_t free_bytes = 0;
    const char *path = test_path(test_tmpdir(), "not/yet/there/model.gguf");
    check(nb_free_space(path, &free_bytes, &err) == NB_OK && free_bytes > 0, "%s", err.msg);
    check(nb_need_space(path, 1, &err) == NB_OK, "%s", err.msg);
    check(nb_need_space(path, UINT64_MAX, &err) == NB_NOSPACE && strstr(err.msg, "missing"), "%s",
          err.msg);
}

CHECK_TEST(file, builds_folders_and_paths)
{
    const char *deep = test_path(test_tmpdir(), "a/b//c/");
    char out[16];
    nb_err err = {0};
    check(nb_mkdirs(deep, &err) == NB_OK && nb_mkdirs(deep, &err) == NB_OK && nb_is_dir(deep), "%s",
          err.msg);
    test_spit(test_path(test_tmpdir(), "plainfile"), "", 0);
    check(nb_mkdirs(test_path(test_tmpdir(), "plainfile"), &err) != NB_OK, "a file is no folder");
    check(nb_mkdirs(test_path(test_tmpdir(), "plainfile/x"), &err) != NB_OK, "nor a parent");
    check(nb_path_join(out, sizeof out, "/a/", "b") && strcmp(out, "/a/b") == 0, "%s", out);
    check(nb_path_join(out, sizeof out, "", "b") && strcmp(out, "b") == 0, "%s", out);
    check(!nb_path_join(out, sizeof out, "0123456789", "abcde"), "too long");
    check(strcmp(nb_path_base("/a/b.gguf"), "b.gguf") == 0 && strcmp(nb_path_base("b"), "b") == 0,
          "base");
}

CHECK_TEST(file, suffixes_ignore_the_case_of_letters_alone)
{
    check(nb_has_suffix("a.GGUF", ".gguf") && nb_has_suffix(".gguf", ".GGUF"), "case");
    check(!nb_has_suffix("gguf", ".gguf") && !nb_has_suffix("a.gguf2", ".gguf"), "length");
    check(!nb_has_suffix("aNgguf", ".gguf"), "'N' is '.' with another bit only in a bad mask");
    check(nb_same_word("Q4_K", "q4_k") && !nb_same_word("Q4@K", "q4`k"), "letters only");
    check(!nb_same_word("abc", "ab") && !nb_same_word("", "a") && nb_same_word("", ""), "ends");
}

enum { PAGES = 512, PAGE_BYTES = 4096 };

typedef struct reader {
    const nb_map *map;
    atomic_bool *stop;
    atomic_int rounds;
} reader;

static void *read_round_and_round(void *arg)
{
    reader *r = arg;
    volatile unsigned sum = 0;
    while (!atomic_load(r->stop)) {
        for (uint64_t i = 0; i < r->map->len; i += PAGE_BYTES)
            sum = sum + r->map->at[i];
        atomic_fetch_add(&r->rounds, 1);
    }
    return NULL;
}

CHECK_TEST(file, guard_keeps_two_readers_alive_when_the_file_shrinks) /* A19 */
{
    const char *path = test_path(test_tmpdir(), "shrinks"),
               *other = test_path(test_tmpdir(), "whole");
    char *bytes = malloc(PAGES * PAGE_BYTES);
    memset(bytes, 1, PAGES * PAGE_BYTES);
    nb_err err = {0};
    nb_map_guard_install();
    nb_map_guard_install();
    for (int round = 0; round < 5; round++) { /* 0 pages kept, then some */
        nb_map m, w;
        atomic_bool stop = false;
        pthread_t threads[2];
        test_spit(path, bytes, PAGES * PAGE_BYTES);
        test_spit(other, bytes, PAGES * PAGE_BYTES);
        check(nb_map_open(&m, path, &err) == NB_OK && nb_map_open(&w, other, &err) == NB_OK, "%s",
              err.msg);
        reader readers[2] = {{&m, &stop, 0}, {&m, &stop, 0}};
        for (int i = 0; i < 2; i++)
            check(pthread_create(&threads[i], NULL, read_round_and_round, &readers[i]) == 0,
                  "thread");
        while (atomic_load(&readers[0].rounds) < 2 || atomic_load(&readers[1].rounds) < 2)
            usleep(100);
        check(!nb_map_lost(&m), "whole so far");
        check(truncate(path, round * 100 * PAGE_BYTES) == 0, "truncate");
        for (int i = 0; i < 10000 && !nb_map_lost(&m); i++)
            usleep(100);
        check(nb_map_lost(&m), "the fault was served and is known");
        int seen = atomic_load(&readers[0].rounds);
        while (atomic_load(&readers[0].rounds) < seen + 2)
            usleep(100);
        atomic_store(&stop, true);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        check(m.at[m.len - 1] == 0, "zeros behind the end");
        check(w.at[w.len - 1] == 1 && !nb_map_lost(&w), "the other map is untouched");
        nb_map_close(&m);
        nb_map_close(&w);
    }
    check(nb_map_open(&(nb_map){0}, "/nonexistent", NULL) == NB_NOTFOUND, "slots stay usable");
    free(bytes);
}

/* Read from the file instead of touched: the same bytes, and the same word of a file that was cut.
 */
CHECK_TEST(file, bytes_of_a_map_read_past_it_A19)
{
    enum { CUT = 5 * PAGE_BYTES + 77 };
    const char *path = test_path(test_tmpdir(), "read");
    static uint8_t bytes[9 * PAGE_BYTES], back[sizeof bytes], none[sizeof bytes];
    nb_err err = {0};
    nb_map m;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 24 | 1);
    test_spit(path, bytes, sizeof bytes);
    check(nb_map_open(&m, path, &err) == NB_OK, "%s", err.msg);
    for (size_t from = 0; from < sizeof bytes; from += 3331) {
        size_t n = sizeof bytes - from;
        memset(back, 0, sizeof back);
        nb_map_read(m.at + from, n, back);
        check(memcmp(back, bytes + from, n) == 0 && !nb_map_lost(&m), "from %zu", from);
    }
    check(nb_map_read(bytes, sizeof bytes, back) && memcmp(back, bytes, sizeof back) == 0,
          "memory of nobody's map");
    check(!nb_map_present(bytes, sizeof bytes), "nobody's map is present");
    check(nb_map_present(m.at, sizeof bytes) == nb_map_present(m.at + 77, 1), "all or nothing");
    check(truncate(path, CUT) == 0, "truncate");
    memset(back, 1, sizeof back);
    nb_map_read(m.at, CUT, back);
    check(memcmp(back, bytes, CUT) == 0, "what is left");
    check(!nb_map_read(m.at, sizeof back, back), "not all was there");
    check(memcmp(back, bytes, CUT) == 0 && memcmp(back + CUT, none, sizeof back - CUT) == 0,
          "zeros behind the end");
    check(nb_map_lost(&m), "lost");
    check(!nb_map_present(m.at, sizeof bytes), "what was cut off is present");
    nb_map_close(&m);
}

static long faults(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_minflt;
}

/* Adds one to a byte of every page, or nothing: and their sum. Instrumented it would touch a
 * sanitizer's own pages too. */
__attribute__((noinline, no_sanitize("address", "thread"))) static unsigned
touch_pages(volatile uint8_t *at, size_t n, unsigned add)
{
    unsigned sum = 0;
    for (size_t i = 0; i < n; i += PAGE_BYTES) {
        if (add)
            at[i] = (uint8_t)(at[i] + add);
        sum += at[i];
    }
    return sum;
}

/* Linux maps some pages at a fault; a system that maps one has none of this to give. */
CHECK_TEST(file, what_was_entered_is_read_without_faults)
{
    enum { ENTERED = 1024 };
    const char *path = test_path(test_tmpdir(), "entered");
    nb_err err = {0};
    nb_map m;
    char *bytes = malloc(ENTERED * (size_t)PAGE_BYTES);
    memset(bytes, 7, ENTERED * (size_t)PAGE_BYTES);
    test_spit(path, bytes, ENTERED * (size_t)PAGE_BYTES);
    free(bytes);
    check(nb_map_open(&m, path, &err) == NB_OK, "%s", err.msg);
    bool present = nb_map_present(m.at, m.len);
    nb_map_enter(m.at + 77, m.len - 77);
    long before = faults();
    unsigned sum = touch_pages((uint8_t *)(uintptr_t)m.at, m.len, 0);
    check(sum == 7 * ENTERED, "sum %u", sum);
    if (present)
        check(faults() - before < ENTERED / 16, "%ld faults", faults() - before);
    nb_map_close(&m);
}

/* Only what was asked for comes, and keeps what it holds. */
CHECK_TEST(file, touched_memory_keeps_what_it_holds)
{
    enum { MIB = 1 << 20 };
    nb_err err = {0};
    uint8_t *at = nb_alloc(64, MIB, "memory", &err);
    check(at != NULL, "%s", err.msg);
    at[17 * MIB] = 3;
    uint64_t before = nb_rss();
    nb_touch(at + 16 * MIB + 99, 8 * MIB);
    check(nb_rss() < before + 12 * MIB, "RSS grew by %llu",
          (unsigned long long)(nb_rss() - before));
    long faults_before = faults();
    touch_pages(at + 16 * MIB + 99, 8 * MIB - 99, 1);
    check(at[17 * MIB] == 3 && at[16 * MIB + 99] == 1, "contents");
#ifdef MADV_POPULATE_WRITE
    void *own = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(own != MAP_FAILED, "no page");
    if (madvise(own, PAGE_BYTES, MADV_POPULATE_WRITE) == 0) /* the kernel knows it too */
        check(faults() - faults_before < 128, "%ld faults", faults() - faults_before);
    munmap(own, PAGE_BYTES);
#else
    (void)faults_before;
#endif
    free(at);
}

/* No page is lost when only the last one's tail is cut, and none when a file is written over. */
CHECK_TEST(file, a_map_knows_when_its_file_was_cut_or_written_to) /* A19 */
{
    static const struct timespec long_ago[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    const char *path = test_path(test_tmpdir(), "rewritten");
    nb_err err = {0};
    for (int what = 0; what < 4; what++) {
        nb_map m;
        test_spit(path, "0123456789", 10);
        check(utimensat(AT_FDCWD, path, long_ago, 0) == 0, "clock");
        check(nb_map_open(&m, path, &err) == NB_OK && !nb_map_lost(&m), "%s", err.msg);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        check(fd >= 0, "open");
        if (what == 0)
            check(ftruncate(fd, 9) == 0, "cut in the last page");
        else if (what == 1)
            check(pwrite(fd, "x", 1, 3) == 1, "one byte over");
        else if (what == 2)
            check(pwrite(fd, "x", 1, 10) == 1, "one byte more");
        else
            check(unlink(path) == 0, "unlinked: what is mapped stays");
        close(fd);
        check(nb_map_lost(&m) == (what < 3), "case %d", what);
        nb_map_close(&m);
        check(!nb_map_lost(&m), "a closed map has nothing to lose");
    }
}

static void exit_seven(int signal_number)
{
    (void)signal_number;
    _exit(7);
}

CHECK_TEST(file, guard_hands_foreign_faults_on) /* A19, A31 */
{
    for (int sent = 0; sent < 2; sent++)
        for (int handled = 0; handled < 2; handled++) {
            int status;
            pid_t child = fork();
            if (child == 0) {
                struct rlimit no_core = {0, 0};
                setrlimit(RLIMIT_CORE, &no_core);
                signal(SIGBUS, handled ? exit_seven : SIG_DFL);
                nb_map_guard_install();
                if (sent)
                    raise(SIGBUS);
                const char *path = test_path(test_tmpdir(), "foreign_pages");
                int fd = open(path, O_RDWR | O_CREAT, 0600);
                void *p = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
                if (p == MAP_FAILED || ftruncate(fd, 4096) != 0)
                    _exit(3);
                _exit(((volatile char *)p)[4096]
                          ? 1
                          : 2); /* behind the file, and not one of our maps */
            }
            check(waitpid(child, &status, 0) == child, "wait");
            if (handled)
                check(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status %x", status);
            else
                check(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "status %x", status);
        }
}

CHECK_TEST(file, a_growing_one_is_synced_by_the_step)
{
    const char *path = test_path(test_tmpdir(), "growing");
    nb_err err = {0};
    check(nb_replace_file(path, "12345678", 8, 0600, &err) == NB_OK, "%s", err.msg);
    nb_flush *f = nb_flush_open(path, 8);
    check(f != NULL, "no thread");
    nb_flush_tell(f, 7);
    check(nb_flush_close(&f, true) == 0 && f == NULL, "synced before its step");
    f = nb_flush_open(path, 8);
    nb_flush_tell(f, 8);
    check(nb_flush_close(&f, true) == 1, "not synced, or twice");
    f = nb_flush_open(path, 8);
    nb_flush_tell(f, 100);
    check(nb_flush_close(&f, false) <= 1 && f == NULL, "left alone");
    check(nb_flush_open(test_path(test_tmpdir(), "none"), 8) == NULL, "of no file");
    nb_flush_tell(NULL, 8);
    check(nb_flush_close(&f, true) == 0, "none");
}
