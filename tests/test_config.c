#include "tests/check.h"

#include "core/base/config.h"
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/base/settings.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const read_by_config[] = {
    "HOME",           "XDG_CONFIG_HOME", "XDG_DATA_HOME",  "XDG_STATE_HOME",
    "XDG_CACHE_HOME", "HF_HOME",         "HF_HUB_CACHE",   "HUGGINGFACE_HUB_CACHE",
    "NIBBLE_CPU",     "NO_COLOR",        "SSH_CONNECTION",
};

static char *saved[countof(read_by_config)];

static void save_environment(void)
{
    for (size_t i = 0; i < countof(read_by_config); i++) {
        const char *v = getenv(read_by_config[i]);
        saved[i] = v ? strdup(v) : NULL;
    }
}

/* The plain runner goes on to other suites in this process. */
static void restore_environment(void)
{
    for (size_t i = 0; i < countof(read_by_config); i++) {
        if (saved[i])
            setenv(read_by_config[i], saved[i], 1);
        else
            unsetenv(read_by_config[i]);
        free(saved[i]);
        saved[i] = NULL;
    }
}

/* A known environment: nothing but these assignments. */
static void environment(const char *const *assign)
{
    for (size_t i = 0; i < countof(read_by_config); i++)
        unsetenv(read_by_config[i]);
    for (; *assign; assign += 2)
        setenv(assign[0], assign[1], 1);
}
#define ENV(...) environment((const char *const[]){__VA_ARGS__, NULL})

CHECK_TEST(config, hub_cache_follows_the_client_order) /* hub.md 2 */
{
    save_environment();
    static const struct {
        const char *env[11];
        const char *want;
    } rows[] = {
        {{"HOME", "/h"}, "/h/.cache/huggingface/hub"},
        {{"HOME", "/h", "XDG_CACHE_HOME", "/x"}, "/x/huggingface/hub"},
        {{"HOME", "/h", "XDG_CACHE_HOME", "/x", "HF_HOME", "/f"}, "/f/hub"},
        {{"HOME", "/h", "HF_HOME", "/f", "HUGGINGFACE_HUB_CACHE", "/g"}, "/g"},
        {{"HOME", "/h", "HF_HOME", "/f", "HUGGINGFACE_HUB_CACHE", "/g", "HF_HUB_CACHE", "/c"},
         "/c"},
        {{"HOME", "/h", "HF_HUB_CACHE", ""}, "/h/.cache/huggingface/hub"},
        {{"HOME", "/h", "HF_HOME", "~/m"}, "/h/m/hub"},
        {{"HOME", "/h", "HF_HOME", "~"}, "/h/hub"},
        {{"HOME", "/h", "HF_HUB_CACHE", "$HOME/a/${HOME}"}, "/h/a//h"},
        {{"HOME", "/h", "HF_HUB_CACHE", "/a$NIBBLE_UNSET/$/${x"}, "/a$NIBBLE_UNSET/$/${x"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        nb_config c;
        environment(rows[i].env);
        nb_config_load(&c, NULL, NULL);
        check(strcmp(c.hf_hub, rows[i].want) == 0, "row %zu: %s", i, c.hf_hub);
    }
    restore_environment();
}

CHECK_TEST(config, folders_follow_xdg) /* tui 4.13 */
{
    save_environment();
    nb_config c;
    ENV("HOME", "/h");
    nb_config_load(&c, NULL, NULL);
    check(strcmp(c.config_dir, "/h/.config/nibble") == 0, "%s", c.config_dir);
    check(strcmp(c.data_dir, "/h/.local/share/nibble") == 0, "%s", c.data_dir);
    check(strcmp(c.state_dir, "/h/.local/state/nibble") == 0, "%s", c.state_dir);
    check(strcmp(c.cache_dir, "/h/.cache/nibble") == 0, "%s", c.cache_dir);
    check(!c.no_color && !c.ssh && !c.cpu[0], "flags");
    ENV("HOME", "/h", "XDG_CONFIG_HOME", "/c", "XDG_DATA_HOME", "relative", "NO_COLOR", "1",
        "SSH_CONNECTION", "1.2.3.4", "NIBBLE_CPU", "avx2");
    nb_config_load(&c, NULL, NULL);
    check(strcmp(c.config_dir, "/c/nibble") == 0, "%s", c.config_dir);
    check(strcmp(c.data_dir, "/h/.local/share/nibble") == 0, "relative ignored: %s", c.data_dir);
    check(c.no_color && c.ssh && strcmp(c.cpu, "avx2") == 0, "flags");
    ENV("HOME", "/h", "NO_COLOR", "");
    nb_config_load(&c, NULL, NULL);
    check(!c.no_color, "empty NO_COLOR means colour");
    restore_environment();
}

CHECK_TEST(config, an_unwritable_home_remembers_nothing)
{
    save_environment();
    nb_config c;
    nb_err err = {0};
    ENV("HOME", test_tmpdir());
    nb_config_load(&c, NULL, NULL);
    check(c.writable, "the scratch folder can be written");
    ENV("HOME", "/proc/self");
    nb_config_load(&c, NULL, NULL);
    check(!c.writable, "nobody writes under /proc");
    check(nb_config_set(&c, "threads", "2", &err) != NB_OK && c.threads == 0, "set failed cleanly");
    char *long_home = malloc(5000);
    memset(long_home, 'x', 4999);
    long_home[0] = '/';
    long_home[4999] = '\0';
    ENV("HOME", long_home, "HF_HOME", long_home);
    check(nb_config_load(&c, NULL, &err) == NB_OK && !c.writable && !c.config_dir[0] &&
              !c.hf_hub[0],
          "a path that does not fit is none");
    free(long_home);
    restore_environment();
}

CHECK_TEST(config, finds_the_demo_beside_the_program)
{
    save_environment();
    const char *root = test_path(test_tmpdir(), "prefix");
    const char *bin = test_path(root, "bin"), *demo = test_path(root, "share/nibble/demo");
    nb_config c;
    ENV("HOME", "/h");
    check(nb_mkdirs(bin, NULL) == NB_OK && nb_mkdirs(demo, NULL) == NB_OK, "folders");
    test_spit(test_path(bin, "nibble"), "", 0);
    nb_config_load(&c, test_path(bin, "nibble"), NULL);
    check(!c.demo_dir[0] || !strstr(c.demo_dir, root), "an empty folder is no model");
    test_spit(test_path(demo, "config.json"), "{}", 2);
    nb_config_load(&c, test_path(bin, "nibble"), NULL);
    char real[4096];
    check(realpath(demo, real) && strcmp(c.demo_dir, real) == 0, "%s", c.demo_dir);
    nb_config_load(&c, "plain", NULL); /* by PATH: this program, in build/tests */
    check(strstr(c.demo_dir, "nibble-demo"), "source tree: \"%s\"", c.demo_dir);
    restore_environment();
}

CHECK_TEST(config, settings_survive_a_round_trip)
{
    save_environment();
    const char *home = test_path(test_tmpdir(), "settings");
    const char *path = test_path(home, "config");
    static const char before[] = "# mine\nthreads = 3\nfuture = 1\n\nthreads=4\nmouse = off";
    nb_config c;
    nb_err err = {0};
    char *text, value[64];
    ENV("HOME", home, "XDG_CONFIG_HOME", home);
    check(nb_config_load(&c, NULL, &err) == NB_OK, "no file yet: %s", err.msg);
    check(c.threads == 0 && c.mouse == -1 && strcmp(c.theme, "default") == 0, "defaults");
    path = test_path(home, "nibble/config");
    check(nb_config_set(&c, "ctx", "512", &err) == NB_OK && c.ctx == 512, "%s", err.msg);
    test_spit(path, before, sizeof before - 1);
    check(nb_config_load(&c, NULL, &err) == NB_FORMAT &&
              strcmp(err.msg, "config: line 3: unknown setting \"future\"") == 0,
          "%s", err.msg);
    check(c.threads == 4 && c.mouse == 0, "the sound lines count: %d", c.threads);
    check(nb_config_set(&c, "threads", "8", &err) == NB_OK, "%s", err.msg);
    check(nb_config_set(&c, "ram-limit", "6.5GiB", &err) == NB_OK, "%s", err.msg);
    check(c.threads == 8 && c.ram_limit == 6979321856u, "%llu", (unsigned long long)c.ram_limit);
    text = test_slurp(path, NULL);
    check(strcmp(text, "# mine\nthreads = 8\nfuture = 1\n\nmouse = off\nram-limit = 6.5GiB\n") == 0,
          "%s", text);
    free(text);
    check(nb_config_get(&c, "ram-limit", value, sizeof value) && strcmp(value, "6979321856") == 0,
          "%s", value);
    check(nb_config_get(&c, "mouse", value, sizeof value) && strcmp(value, "off") == 0, "%s",
          value);
    check(!nb_config_get(&c, "none", value, sizeof value), "unknown");
    restore_environment();
}

CHECK_TEST(config, settings_refuse_what_makes_no_sense) /* A26 */
{
    static const char *const bad[][2] = {
        {"threads", "-1"},
        {"threads", "x"},
        {"threads", "4097"},
        {"threads", ""},
        {"ctx", "-2147483648"},
        {"ctx", "1e3"},
        {"ctx", "99999999999999999999"},
        {"mouse", "maybe"},
        {"flat", "auto"},
        {"remote-http", "auto"},
        {"ram-limit", "-1"},
        {"ram-limit", "8XB"},
        {"ram-limit", "1e30"},
        {"ram-limit", "."},
        {"ram-limit", "99999999999999999999G"},
        {"theme", ""},
        {"theme", "a\nb = 1"},
        {"theme", "\x1b[2J"},
        {"nothing", "1"},
    };
    nb_config c = {0}, same;
    nb_settings_reset(&c);
    same = c;
    for (size_t i = 0; i < countof(bad); i++) {
        nb_err err = {0};
        check(nb_settings_apply(&c, bad[i][0], bad[i][1], &err) == NB_USAGE && err.msg[0],
              "%s = %s", bad[i][0], bad[i][1]);
        check(memcmp(&c, &same, sizeof c) == 0, "%s = %s changed something", bad[i][0], bad[i][1]);
        bool three = strcmp(bad[i][0], "mouse") == 0;
        check(three == (strstr(err.msg, "on, off or auto") != NULL), "%s", err.msg);
    }
    size_t n;
    const nb_setting *rows = nb_settings(&n);
    for (size_t i = 0; i < n; i++)
        check(nb_settings_apply(&c, rows[i].name, rows[i].fallback, NULL) == NB_OK &&
                  rows[i].help[0],
              "default of %s", rows[i].name);
}

/* A machine: root/path = text, folders made. */
static void put(const char *root, const char *path, const char *text)
{
    char whole[1024];
    snprintf(whole, sizeof whole, "%s%s", root, path);
    char *slash = strrchr(whole, '/');
    *slash = '\0';
    check(nb_mkdirs(whole, NULL) == NB_OK, "%s", whole);
    *slash = '/';
    test_spit(whole, text, strlen(text));
}

CHECK_TEST(config, memory_is_the_least_of_machine_and_groups)
{
    static const char meminfo[] = "MemTotal:       16000 kB\nMemFree:        1 kB\n"
                                  "MemAvailable:    8000 kB\n";
    const char *root = test_path(test_tmpdir(), "machine");
    uint64_t free_bytes, total;
    put(root, "/proc/meminfo", meminfo);
    nb_memory_under(root, &free_bytes, &total);
    check(total == 16384000 && free_bytes == 8192000, "bare machine: %d", (int)free_bytes);

    put(root, "/proc/self/cgroup", "0::/a.slice/b.scope\n");
    put(root, "/sys/fs/cgroup/a.slice/memory.max", "3000000\n");
    put(root, "/sys/fs/cgroup/a.slice/memory.current", "1500000\n");
    put(root, "/sys/fs/cgroup/a.slice/memory.stat",
        "anon 1\ninactive_file 300000\nactive_file 200000\n");
    put(root, "/sys/fs/cgroup/a.slice/b.scope/memory.max", "max\n");
    put(root, "/sys/fs/cgroup/a.slice/b.scope/memory.current", "1\n");
    nb_memory_under(root, &free_bytes, &total);
    check(free_bytes == 2000000 && total == 16384000, "parent group: %d", (int)free_bytes);

    put(root, "/proc/self/cgroup", "12:cpu,memory:/docker/x\n0::/\n");
    put(root, "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "1000000\n");
    put(root, "/sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes", "1200000\n");
    put(root, "/sys/fs/cgroup/memory/docker/x/memory.stat",
        "cache 5\ntotal_inactive_file 100000\n");
    nb_memory_under(root, &free_bytes, &total);
    check(free_bytes == 0, "over its limit: %d", (int)free_bytes);
    put(root, "/sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes", "600000\n");
    nb_memory_under(root, &free_bytes, &total);
    check(free_bytes == 500000, "version 1: %d", (int)free_bytes);

    nb_memory(&free_bytes, &total);
    check(total > 1 << 26 && free_bytes <= total && nb_rss() > 1 << 16 && nb_rss() < total,
          "this machine: %llu of %llu", (unsigned long long)free_bytes, (unsigned long long)total);
}
