/* What commands about the Hub do not let out: foreign text that a terminal would obey (hub 22,
 * A32), and the token (A22). */
#include <dirent.h>
#include <errno.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/gguf_file.h"
#include "tests/hub_stage.h"
#include "tests/util.h"
#include "tui/commands/cmd.h"

/* What the program writes to a terminal; its exit code. Free it. */
static char *on_terminal(const stage *s, const char *const *args, size_t *n, int *code)
{
    char *buffer = NULL;
    size_t cap = 0;
    int fd, status;
    const char *argv[20] = {
        "env", "-i", s->home, s->endpoint, "TERM=xterm-256color", "LC_ALL=C.UTF-8", child_nibble};
    for (int i = 0; args[i]; i++)
        argv[7 + i] = args[i];
    fflush(NULL);
    pid_t pid = forkpty(&fd, NULL, NULL, &(struct winsize){24, 80, 0, 0});
    check(pid >= 0, "no terminal: %s", strerror(errno));
    if (pid == 0) {
        execvp("env", (char *const *)(void *)argv);
        _exit(127);
    }
    *n = 0;
    for (ssize_t got = 1; got > 0; *n += got > 0 ? (size_t)got : 0) {
        if (cap - *n < 4096)
            check(buffer = realloc(buffer, cap += 1 << 16), "no memory");
        do
            got = read(fd, buffer + *n, cap - *n - 1);
        while (got < 0 && errno == EINTR);
    }
    buffer[*n] = '\0';
    close(fd);
    check(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "status %d", status);
    *code = WEXITSTATUS(status);
    return buffer;
}

/* Its own ends of line, tabs of a card and cleared progress line taken out, nothing is left that a
 * terminal obeys or hides. */
static void is_harmless(const char *text, size_t n, const char *what)
{
    nb_str rest = {0}, safe = {0};
    for (size_t i = 0; i < n; i++) {
        if (n - i >= 4 && memcmp(text + i, "\r\x1b[K", 4) == 0)
            i += 3;
        else if (text[i] != '\r' && text[i] != '\n' && text[i] != '\t')
            nb_str_addn(&rest, text + i, 1);
    }
    nb_safe_text(&safe, nb_str_c(&rest), rest.len, NB_SAFE_ONE_LINE);
    check(safe.len == rest.len && memcmp(nb_str_c(&safe), nb_str_c(&rest), safe.len) == 0, "%s: %s",
          what, nb_str_c(&rest));
    nb_str_free(&rest);
    nb_str_free(&safe);
}

static void make_hostile(stage *s)
{
    static const char *const tags[] = {"gguf", "license:" STAGE_EVIL "\nns/fake 7B", NULL};
    fake_repo *repo = fake_hub_add(
        s->hub, &(fake_repo_info){.id = "ns/hostile",
                                  .tags = tags,
                                  .pipeline_tag = STAGE_EVIL,
                                  .library_name = STAGE_EVIL,
                                  .gguf = "{\"architecture\":\"\\u001b[2J\",\"total\":1}"});
    gg_file f;
    gg_build(&f);
    memcpy(f.bytes.at + f.at[GG_T0_NAME], "\033[", 2);
    fake_repo_text(repo, STAGE_EVIL ".gguf", "x");
    fake_repo_text(repo, "../x.gguf", "x");
    fake_repo_text(repo,
                   "\xe2\x80\xae"
                   "ffug.-Q8_0.gguf",
                   "x");
    fake_repo_text(repo, "README.md",
                   "# card " STAGE_EVIL "\r\n\x1b]52;c;ZXZpbA==\x07\n\x9b\xff\n");
    check(fake_repo_file(repo,
                         &(fake_file){.path = "m-Q4_0.gguf",
                                      .bytes = f.bytes.at,
                                      .size = f.bytes.len,
                                      .scan = STAGE_EVIL},
                         NULL) == NB_OK,
          "no file");
    nb_str_free(&f.bytes);
    fake_hub_token(s->hub, &(fake_token){.token = "hf_Evil",
                                         .name = STAGE_EVIL,
                                         .role = "x\x1b[2J",
                                         .orgs = (const char *[]){STAGE_EVIL, NULL}});
}

CHECK_TEST(hub_secret, foreign_text_is_harmless_on_a_terminal_hub_22)
{
    static const struct {
        const char *args[5], *fault;
        int code;
    } rows[] = {
        {{"search", "hostile"}, NULL, 0},
        {{"search", "hostile", "--json"}, NULL, 0},
        {{"show", "ns/hostile"}, NULL, 0},
        {{"show", "ns/hostile", "--files"}, NULL, 0},
        {{"show", "ns/hostile", "--card"}, NULL, 0},
        {{"show", "ns/hostile", "--card", "--json"}, NULL, 0},
        {{"show", "ns/hostile", "--json"}, NULL, 0},
        {{"show", "ns/hostile:Q4_0"}, NULL, 0},
        {{"show", "ns/hostile:Q4_0", "--json"}, NULL, 0},
        {{"show", "ns/hostile:" STAGE_EVIL}, NULL, 4},
        {{"show", "ns/hostile:\xe2\x80\xae"
                  "x"},
         NULL,
         4},
        {{"search", "z"}, "GET hub:* status=403 body=\"\\x1b[2J\\xc2\\x9b31m\\xff\"", 8},
        {{"search", "y"}, "GET hub:* status=403 header=\"X-Request-Id:\x1b[2J\"", 8},
        {{"show", "ns/hostile"}, "GET hub:* delay=400", 0}, /* a progress line is drawn */
    };
    stage s = stage_up();
    make_hostile(&s);
    for (size_t i = 0; i < countof(rows); i++) {
        size_t n;
        int code;
        fake_hub_faults_clear(s.hub);
        if (rows[i].fault)
            fix_fault(s.hub, rows[i].fault);
        char *text = on_terminal(&s, rows[i].args, &n, &code);
        check(code == rows[i].code, "row %zu: status %d: %s", i, code, text);
        check(n > 10, "row %zu wrote %zu bytes", i, n);
        is_harmless(text, n, rows[i].args[1]);
        check(!strstr(text, "\nns/fake"), "row %zu: a licence began a line", i);
        check(!rows[i].fault || !strstr(rows[i].fault, "delay") || strstr(text, "\x1b[K"),
              "no progress line was drawn");
        free(text);
    }
    snprintf(s.token, sizeof s.token, "HF_TOKEN=hf_Evil");
    for (int json = 0; json < 2; json++) {
        child c = STAGE_RUN(&s, "whoami", json ? "--json" : NULL);
        stage_works(&c, "whoami");
        is_harmless(c.out, c.n_out, "whoami");
        child_free(&c);
    }
    stage_down(&s);
}

/* --- the token ---------------------------------------------------------------------------------
 */

static size_t grep_below(const char *dir, const char *word)
{
    size_t files = 0;
    DIR *d = opendir(dir);
    check(d, "%s", dir);
    for (struct dirent *e; (e = readdir(d));) {
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
        check(!strstr(path, word) && !memmem(bytes, n, word, strlen(word)), "the token is in %s",
              path);
        free(bytes);
        files++;
    }
    closedir(d);
    return files;
}

/* Every command that asks the Hub, going well and going wrong, with a token in the environment:
 * afterwards it is in no output and in no file. */
CHECK_TEST(hub_secret, the_token_is_in_no_output_and_no_file_A22)
{
    static const char *const commands[][6] = {
        {"whoami"},
        {"whoami", "--json"},
        {"search", "repo"},
        {"search", "repo", "--json", "-n", "3"},
        {"show", "ns/repo"},
        {"show", "ns/repo:Q4_0", "--json"},
        {"show", "ns/gated", "--card"},
        {"show", "ns/none"},
        {"pull", "ns/repo:config.json"},
        {"pull", "ns/repo:Q4_0", "--json"},
        {"pull", "ns/gated:Q8_0"},
        {"ls"},
        {"doctor", "--json"},
        {"config"},
    };
    static const char *const faults[] = {
        NULL,
        "GET hub:* redirect={cdn}/elsewhere",
        "* hub:* status=401 body=\"{\\\"error\\\":\\\"Bearer " STAGE_TOKEN "?\\\"}\"",
        "GET hub:* loop",
    };
    stage s = stage_up();
    snprintf(s.token, sizeof s.token, "HF_TOKEN=" STAGE_TOKEN);
    for (size_t f = 0; f < countof(faults); f++)
        for (size_t i = 0; i < countof(commands); i++) {
            fake_hub_faults_clear(s.hub);
            if (faults[f])
                fix_fault(s.hub, faults[f]);
            child c = stage_run_args(&s, NULL, commands[i]);
            check(f > 0 || c.code == 0 || i == 6 || i == 7 || i == 10, "%s: %s", commands[i][0],
                  c.err);
            check(!strstr(c.out, STAGE_TOKEN), "%s: %s", commands[i][0], c.out);
            check(!strstr(c.err, STAGE_TOKEN), "%s: %s", commands[i][0], c.err);
            child_free(&c);
        }
    fake_request *log;
    size_t n = fake_hub_log(s.hub, &log), sent = 0;
    for (size_t i = 0; i < n; i++) {
        sent += log[i].authorization != NULL;
        check(!strstr(log[i].target, STAGE_TOKEN), "in an address: %s", log[i].target);
        check(log[i].port == FAKE_HUB || !strstr(log[i].head, STAGE_TOKEN),
              "sent to the storage: %s", log[i].target);
    }
    check(sent > 20, "%zu requests had it", sent);
    fake_hub_log_free(log, n);
    check(grep_below(s.dir, STAGE_TOKEN) > 5, "no files were written");
    size_t rows;
    const ui_cmd *const *cmd = ui_cmds(&rows); /* what is typed is seen by `ps` */
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < cmd[i]->n_opt; k++)
            check(strcmp(cmd[i]->opt[k].name, "token") != 0, "%s --%s", cmd[i]->name,
                  cmd[i]->opt[k].name);
    stage_down(&s);
}
