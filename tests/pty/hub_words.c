/* What the words of the Hub may do to a terminal: nothing (tui 14, hub 22, A32). Every byte that
 * comes is looked at: only sequences of nibble's own, no hidden character. */
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "tests/pty/hub.h"
#include "tests/pty/pty.h"
#include "tests/util.h"

enum { ANSWER = 8000 /* ms */ };

/* Title, link, clipboard, reset, question, colour and place as no screen has them, C1 as one byte
 * and as two, every kind of bidi control and hidden character, wide and combining ones. */
#define BELLS                                                                                      \
    "\x1b]0;t\x07\x1b]8;;http://x/\x1b\\l\x1b]8;;\x1b\\\x1b]52;c;aGk=\x07\x1b"                     \
    "c\x1b[6n\x1b[7777m\x1b[7777;7777H\x1bP1$q\x1b\\"
#define C1 "\xc2\x9b\x37\x37\x37\x37m\xc2\x9d\x35\x32;c;aGk=\xc2\x9c"
#define BIDI                                                                                       \
    "\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad\xe2\x80\xae\xe2\x81\xa6\xe2\x81\xa7"         \
    "\xe2\x81\xa8\xe2\x81\xa9\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c"
#define HIDDEN                                                                                     \
    "\xe2\x80\x8b\xe2\x80\x8c\xe2\x81\xa0\xef\xbb\xbf\xf3\xa0\x81\x81\xe2\x80\xa8\xe2\x80\xa9"     \
    "\xef\xbf\xb9\xe1\xa0\x8e\xc2\xad\xe2\x81\xa3"
#define WIDTHS                                                                                     \
    "\xe3\x85\xa4\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7\xe2\x9d\xa4\xef\xb8\x8f\xcc\x81\xcc" \
    "\x82\xcc\x83"
#define EVIL BELLS C1 BIDI HIDDEN WIDTHS

static void add_hostile(fake_hub *hub)
{
    static const char *const tags[] = {"gguf", "license:" EVIL, "base_model:" EVIL, EVIL, NULL};
    static const char *const orgs[] = {EVIL, NULL};
    fake_repo *repo = fake_hub_add(
        hub, &(fake_repo_info){.id = "odd-lm/Evil-1M-GGUF",
                               .tags = tags,
                               .pipeline_tag = EVIL,
                               .library_name = EVIL,
                               .downloads = 666,
                               .trending = 100,
                               .gguf = "{\"total\":1,\"architecture\":\"\\u001b[2J\"}"});
    nb_str card = {0};
    nb_str_add(&card,
               "---\nlicense: x\n---\n# " EVIL "\n\n" EVIL "\n\n- " EVIL "\n\n| " EVIL
               " | b |\n|---|---|\n| [a](https://x/" EVIL ") | " EVIL "\n\n```\n" EVIL
               "\n```\n\n<a href=\"" EVIL "\">" EVIL "</a>\n\n[" EVIL "](http://y/" EVIL ")\n"
               "\x9b\xff\xc3\n\ne");
    for (int i = 0; i < 10000; i++)
        nb_str_add(&card, "\xcc\x81");
    fake_repo_text(repo, "README.md", card.at);
    nb_str_free(&card);
    fake_repo_text(repo, "q\x1b]52;c;aGk=\x07-Q4_0.gguf", "GGUF");
    fake_repo_text(repo, "w" C1 "-Q5_0.gguf", "GGUF");
    fake_repo_text(repo, "r" BIDI "-Q8_0.gguf", "GGUF");
    fake_repo_text(repo, "t" HIDDEN WIDTHS "-F16.gguf", "GGUF");
    fake_repo_text(repo, "plain-Q6_K.gguf", "GGUF");
    fake_hub_add(hub, &(fake_repo_info){.id = "odd-lm/raw",
                                        .raw = "{\"id\":\"odd-lm/\\u001b]52;c;aGk=\\u0007\","
                                               "\"tags\":[\"\\u009b31m\"]}"});
    fake_hub_token(hub,
                   &(fake_token){.token = "hf_Evil", .name = EVIL, .role = EVIL, .orgs = orgs});
}

static void look(pty *p, const char *keys, int ms)
{
    pty_send(p, keys);
    pty_pump(p, ms);
    pty_check(!p->ended, "ended after \"%s\": %x", keys, p->status);
    pty_check(p->screen.odd == 0, "\"%s\" sent %s", keys, p->screen.first_odd);
}

/* Every row ends with the frame: no character took more or less room than was thought. */
static void is_aligned(pty *p, const char *what)
{
    const vt *t = &p->screen;
    for (int y = 2; y < t->h - 2; y++)
        pty_check(strcmp(t->cell[y][t->w - 1].text, " ") != 0 || !vt_row(t, y)[0] ||
                      strstr(vt_row(t, y), "jobs ") || y == t->h - 3,
                  "%s: row %d is \"%s\"", what, y, vt_row(t, y));
}

/* The list, a page with card, tensors and files, downloads, palette, log and jobs. */
static void listings_stay_text(pty *p, const char *id)
{
    static const char *const keys[] = {
        "C", "jjjj", "\x04", "\x04", "+", "+",    "\x1b", "f",    "jjjj", "T", "\x1b", "d",   "jd",
        "2", "j",    ":",    "\x1b", "E", "\x1b", "J",    "\x1b", "1",    "u", "u",    "\x1b"};
    hub_start_with(p, "HF_TOKEN=hf_Evil");
    p->screen.strict = true;
    hub_open_repo(p, id);
    pty_check(pty_wait(p, "\xe2\x9f\xa8U+202E\xe2\x9f\xa9", ANSWER), "U+202E is not made visible");
    is_aligned(p, "page");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        look(p, keys[i], 80);
    look(p, "A", 300);
    pty_check(pty_wait(p, "you are", ANSWER), "the account is not told");
    is_aligned(p, "account");
    look(p, "\x1b", 80);
}

/* Words of refusals, of the Hub and of the storage, and its warnings. */
static void refusals_stay_text(pty *p)
{
    static const char said[] = "\\x1b]52;c;aGk=\\x07\\x1b[7777m\\xc2\\x9b7m\\xe2\\x80\\xae\\xff";
    char line[600];
    hub_start(p);
    p->screen.strict = true;
    hub_press(p, "u", "reed-lm/Reed-1M");
    for (int i = 0; i < 3; i++) {
        fake_hub_faults_clear(hub_server());
        snprintf(line, sizeof line, "GET hub:/api/models* status=403 %s%s\"",
                 i == 0   ? "body=\""
                 : i == 1 ? "header=\"X-Error-Message:"
                          : "header=\"X-Request-Id:",
                 said);
        hub_fault(line);
        look(p, "s", 50); /* another order: not in the cache of lists */
        pty_check(pty_wait(p, "permission denied", ANSWER), "refusal %d is not told", i);
        look(p, "E", 80);
        look(p, "\x1b", 80);
    }
    fake_hub_faults_clear(hub_server());
    snprintf(line, sizeof line, "GET hub:* header=\"X-HF-Warning:a; %s\"", said);
    hub_fault(line);
    look(p, "s", 50);
    pty_check(pty_wait(p, "the Hub says", ANSWER), "a warning is not told");
    fake_hub_faults_clear(hub_server());
    pty_wait_gone(p, "asking", ANSWER);
    look(p, "uu", 100); /* to the local list */
    hub_open_repo(p, "reed-lm/Reed-1M-GGUF");
    snprintf(line, sizeof line, "GET cdn:* status=403 body=\"<Message>%s</Message>\"", said);
    hub_fault(line);
    look(p, "d", 50);
    hub_press(p, "2", "storage refused");
    pty_pump(p, 100);
    pty_check(p->screen.odd == 0, "sent %s", p->screen.first_odd);
}

static void words_of_the_hub_stay_text(pty *p)
{
    hub_up(0);
    add_hostile(hub_server());
    if (getenv("NB_TEST_LONG"))
        listings_stay_text(p, "odd-lm/Odd-1M-GGUF");
    listings_stay_text(p, "odd-lm/Evil-1M-GGUF");
    refusals_stay_text(p);
    hub_down();
}

/* That the look at bytes sees what it should. */
static void the_strict_terminal_is_strict(pty *p)
{
    static const char *const odd[] = {"\x1b]0;t\x07",
                                      "\x1b]8;;x\x1b\\",
                                      "\x1b]52;c;a\x07",
                                      "\x1b"
                                      "c",
                                      "\x1b[6n",
                                      "\x1b[7777m",
                                      "\x1b[8;50;200t",
                                      "\x1b[?1003h",
                                      "\xc2\x9b",
                                      "\x9b",
                                      "\xe2\x80\xae",
                                      "\xe2\x81\xa6",
                                      "\xd8\x9c",
                                      "\xe2\x80\x8e",
                                      "\xe2\x80\x8b",
                                      "\xef\xbb\xbf",
                                      "\xf3\xa0\x81\x81",
                                      "\xe2\x80\xa8",
                                      "\x07",
                                      "\x1bP1$q\x1b\\"};
    static const char own[] =
        "\x1b[?1049h\x1b[22;0;0t\x1b[1;40r\x1b(B\x1b[m\x1b[4l\x1b[?7h\x1b[38;5;252m"
        "\x1b[12;120Hx\x1b[3X\x1b[K\x1b[?25l\x1b[?2026$p\x1b[?2004h\xe2\x94\x80";
    (void)p;
    static vt t;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        vt_reset(&t, 120, 40);
        t.strict = true;
        vt_feed(&t, odd[i], strlen(odd[i]));
        vt_feed(&t, "a", 1);
        pty_check(t.odd > 0, "%zu is let through", i);
    }
    vt_reset(&t, 120, 40);
    t.strict = true;
    vt_feed(&t, own, sizeof own - 1);
    pty_check(t.odd == 0, "refused: %s", t.first_odd);
}

const pty_test pty_hub_words_tests[] = {
    {"the strict terminal", the_strict_terminal_is_strict},
    {"tui 14, hub 22: words of the Hub", words_of_the_hub_stay_text},
    {0}};
