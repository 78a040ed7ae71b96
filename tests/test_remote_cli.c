/* Commands on models behind addresses. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "tests/check.h"
#include "tests/remote_server.h"
#include "tests/run_child.h"
#include "tests/util.h"

#include "core/base/hub_env.h"

#define KEY     "sk-NobodyMayReadThis0123456789"
#define KEY_ENV "NIBBLE_API_KEY=" KEY

static child run(const char *env, const char *const *args)
{
    child_how how = {.env = {env}};
    for (int i = 0; args[i]; i++)
        how.args[i] = args[i];
    return child_run(&how);
}
#define RUN(env, ...) run(env, (const char *const[]){__VA_ARGS__, NULL})

CHECK_TEST(remote_cli, chat_streams_the_answer)
{
    remote_server *s = remote_server_start(&(remote_how){.thought = "well"});
    child c = RUN(NULL, "chat", remote_server_model(s), "-p", "hi", "-n", "9", "--temp", "0.5");
    check(c.code == 0 && c.n_err == 0, "%d: %s", c.code, c.err);
    check(strcmp(c.out, "<think>\nwell\n</think>\n\nHello from afar.\n") == 0, "%s", c.out);
    check(strstr(remote_server_request(s, 0), "\"max_tokens\":9") &&
              strstr(remote_server_request(s, 0), "\"temperature\":0.5"),
          "%s", remote_server_request(s, 0));
    child_free(&c);
    remote_server_stop(&s);
}

/* Ids mean nothing across an endpoint: the texts are compared, and that is said. */
CHECK_TEST(remote_cli, an_answer_is_compared_with_a_local_one_by_text)
{
    child c = RUN(NULL, "chat", "demo", "-p", "What is Q4_K?", "-n", "12", "--json");
    nb_json *doc = child_json(&c);
    const nb_jval *first = nb_jfirst(nb_jget(nb_json_root(doc), "answers"));
    const char *text = "", *by = "";
    bool remote = false;
    int64_t at;
    check(nb_jstr(nb_jget(first, "text"), &text) && *text, "no answer");
    remote_server *s = remote_server_start(&(remote_how){.answer = text, .logprobs = true});
    child d = RUN(NULL, "chat", "demo", remote_server_model(s), "-p", "What is Q4_K?", "-n", "12");
    check(d.code == 0 && strstr(d.out, "#far: the same text\n"), "%d: %s%s", d.code, d.out, d.err);
    child_free(&d);

    char other[256];
    snprintf(other, sizeof other, "%.*sX elsewhere", (int)strlen(text) / 2, text);
    remote_server_set(s, &(remote_how){.answer = other});
    d = RUN(NULL, "chat", "demo", remote_server_model(s), "-p", "What is Q4_K?", "-n", "12");
    check(strstr(d.out, "#far: first difference at token ") &&
              strstr(d.out, ", compared by text\n"),
          "%s", d.out);
    child_free(&d);
    d = RUN(NULL, "chat", "demo", remote_server_model(s), "-p", "What is Q4_K?", "-n", "12",
            "--json");
    nb_json *both = child_json(&d);
    const nb_jval *second = nb_jnext(nb_jfirst(nb_jget(nb_json_root(both), "answers")));
    check(nb_jbool(nb_jget(second, "remote"), &remote) && remote, "not marked as remote");
    check(nb_jstr(nb_jget(second, "compared_by"), &by) && strcmp(by, "text") == 0, "%s", by);
    check(nb_jlen(nb_jget(second, "ids")) == 0, "ids that are none");
    check(nb_jint(nb_jget(second, "first_difference"), &at) && at > 0, "no difference");
    nb_json_close(&both);
    nb_json_close(&doc);
    child_free(&d);
    child_free(&c);
    remote_server_stop(&s);
}

CHECK_TEST(remote_cli, failures_have_their_exit_codes_and_remedies)
{
    static const struct {
        remote_how how;
        int code;
        const char *says;
    } rows[] = {
        {{.key = KEY}, 8, "NIBBLE_API_KEY or OPENAI_API_KEY"},
        {{.status = 404}, 4, "leave out #name"},
        {{.raw = "data: {no\n\n"}, 3, "far"},
        {{.cut_after = 1}, 7, "the answer was cut"},
        {{.status = 302, .location = "https://other.example/"}, 7, "give the address it names"},
    };
    remote_server *s = remote_server_start(NULL);
    for (size_t i = 0; i < countof(rows); i++) {
        remote_server_set(s, &rows[i].how);
        child c = RUN(NULL, "chat", remote_server_model(s), "-p", "hi");
        check(c.code == rows[i].code && strstr(c.err, rows[i].says), "row %zu: %d: %s", i, c.code,
              c.err);
        check(i != 3 || strstr(c.out, "Hello"), "what was said is lost: %s", c.out);
        child_free(&c);
    }
    remote_server_set(s, &(remote_how){.models = "a,b"});
    child c = RUN(NULL, "chat", remote_server_base(s), "-p", "hi");
    check(c.code == 2 && strstr(c.err, "choose one as #name: a, b"), "%d: %s", c.code, c.err);
    child_free(&c);
    c = RUN("HF_HUB_OFFLINE=1", "chat", remote_server_model(s), "-p", "hi");
    check(c.code == 7 && strstr(c.err, "offline"), "%d: %s", c.code, c.err);
    child_free(&c);
    remote_server_stop(&s);
    c = RUN(NULL, "chat", "http://127.0.0.1:1/v1#m", "-p", "hi");
    check(c.code == 7 && strstr(c.err, "that the server runs"), "%d: %s", c.code, c.err);
    child_free(&c);
}

/* One clear refusal wherever a file is needed; no password comes back. */
CHECK_TEST(remote_cli, what_needs_a_file_refuses_an_address)
{
    static const char url[] = "https://u:hunter2@a.example/v1#m";
    static const char *const rows[][7] = {
        {"show", url},
        {"inspect", url, "t"},
        {"quantize", url, "-t", "Q4_K_M", "-o", "/nonexistent/x.gguf"},
        {"tokenize", url, "-p", "x"},
        {"bench", url},
        {"doctor", url},
        {url},
        {"chat", url, "-p", "x"},
        {"chat", "https://a.example/v1#m", "-p", "x", "--ctx", "64"},
        {"chat", "https://a.example/v1#m", "-p", "x", "--session", "f"},
        {"chat", "https://a.example/v1#m", "-p", "x", "--lora", "f"},
        {"chat", "http://a.example/v1#m", "-p", "x"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        child c = run(NULL, rows[i]);
        size_t lines = 0;
        for (const char *p = c.err; *p; p++)
            lines += *p == '\n';
        check(c.code == 2 && lines == 1, "row %zu: %d: %s", i, c.code, c.err);
        check(strstr(c.err, "remote") || strstr(c.err, "endpoint") || strstr(c.err, "unencrypted"),
              "row %zu: %s", i, c.err);
        check(!strstr(c.err, "hunter2") && !strstr(c.out, "hunter2"), "row %zu: %s", i, c.err);
        child_free(&c);
    }
}

/* --- the key --------------------------------------------------------------------------------- */

static size_t grep_below(const char *dir, const char *word)
{
    size_t files = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[1500];
        struct stat st;
        size_t n;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || lstat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            files += grep_below(path, word);
        if (!S_ISREG(st.st_mode))
            continue;
        char *bytes = test_slurp(path, &n);
        check(!bytes || !memmem(bytes, n, word, strlen(word)), "the key is in %s", path);
        free(bytes);
        files++;
    }
    if (d)
        closedir(d);
    return files;
}

CHECK_TEST(remote_cli, the_key_is_in_no_output_and_no_file_A22)
{
    static const char back[] = "{\"error\":{\"message\":\"Incorrect API key provided: " KEY "\"}}";
    static const remote_how hows[] = {
        {.key = KEY},
        {.key = KEY, .answer = "You sent " KEY " to me"},
        {.status = 401, .error = back},
        {.status = 404, .error = back},
        {.status = 307, .location = "http://127.0.0.1:1/" KEY},
        {.raw = "data: {\"error\":{\"message\":\"" KEY "\"}}\n\n"},
        {.raw = "data: {" KEY "\n\n"},
    };
    static const char *const envs[] = {KEY_ENV, "OPENAI_API_KEY=" KEY};
    const char *home = test_path(test_tmpdir(), "keyhome");
    char home_env[700];
    mkdir(home, 0700);
    snprintf(home_env, sizeof home_env, "HOME=%s", home);
    const char *script = test_path(home, "script");
    remote_server *s = remote_server_start(NULL);
    char text[400];
    snprintf(text, sizeof text,
             "command remote %s\nwait\ntext hi\nkeys Enter\nwait\nsave-screen %s/screen\n"
             "save-json %s/chat.json\nkeys E\nsave-screen %s/errors\n",
             remote_server_model(s), home, home, home);
    test_spit(script, text, strlen(text));
    for (size_t i = 0; i < countof(hows); i++) {
        const char *const commands[][5] = {
            {"chat", remote_server_model(s), "-p", "hi"},
            {"chat", remote_server_model(s), "-p", "hi", "--json"},
            {"--script", script}, /* one without `wait` keeps the chat */
        };
        remote_server_set(s, &hows[i]);
        for (size_t k = 0; k < countof(commands); k++) {
            child_how how = {.env = {envs[i % 2], home_env}, .dir = home};
            for (size_t j = 0; j < 5 && commands[k][j]; j++)
                how.args[j] = commands[k][j];
            child c = child_run(&how);
            check(!strstr(c.out, KEY) && !strstr(c.err, KEY), "%zu %zu: %s%s", i, k, c.out, c.err);
            check(i > 1 || c.code == 0, "%zu %zu: %d: %s", i, k, c.code, c.err);
            child_free(&c);
        }
    }
    size_t sent = 0;
    for (size_t i = 0; i < remote_server_count(s); i++) {
        const char *head = strstr(remote_server_request(s, i), "Authorization: Bearer " KEY);
        check(!strstr(strstr(remote_server_request(s, i), "\r\n\r\n"), KEY), "it is in a body");
        sent += head != NULL;
    }
    check(sent > 10, "%zu requests had it", sent);
    check(grep_below(home, KEY) > 3, "no files were written");
    remote_server_stop(&s);
}

CHECK_TEST(remote_cli, a_key_keeps_memory_out_of_core_dumps)
{
    int was = prctl(PR_GET_DUMPABLE);
    prctl(PR_SET_DUMPABLE, 1);
    setenv("OPENAI_API_KEY", KEY, 1);
    nb_hub_env_guard();
    check(prctl(PR_GET_DUMPABLE) == 0, "a dump would hold it");
    unsetenv("OPENAI_API_KEY");
    prctl(PR_SET_DUMPABLE, was);
}
