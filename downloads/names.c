/* What a name must be before it becomes a path. Pure: no file is looked at. */
#include "downloads/cache.h"

#include <stdio.h>
#include <string.h>

enum { PART_MAX = 96, SEGMENT_MAX = 255, PATH_LEN_MAX = 1000 };

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

/* Organisation or name: [\w.-]{1,96}, no "--" or "..", neither end '.' or '-' (huggingface_hub
 * utils/_validators.py:28-148 @ ee0a4510f). "--" is what separates the two in a folder's name. */
static bool part_ok(const char *s, size_t n)
{
    if (n == 0 || n > PART_MAX || strchr(".-", s[0]) || strchr(".-", s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!word_char(s[i]) || (i && s[i] == s[i - 1] && (s[i] == '.' || s[i] == '-')))
            return false;
    return true;
}

static bool repo_ok(const char *id, size_t n)
{
    const char *slash = memchr(id, '/', n);
    size_t first = slash ? (size_t)(slash - id) : n;
    if (n >= 4 && memcmp(id + n - 4, ".git", 4) == 0)
        return false;
    return part_ok(id, first) && (!slash || part_ok(slash + 1, n - first - 1));
}

bool dl_repo_ok(const char *id)
{
    return repo_ok(id, strlen(id));
}

static bool hex_ok(const char *s, size_t n)
{
    return strspn(s, "0123456789abcdef") == n && s[n] == '\0';
}

bool dl_commit_ok(const char *s)
{
    return hex_ok(s, 40);
}

bool dl_oid_ok(const char *s)
{
    return hex_ok(s, 40) || hex_ok(s, 64);
}

/* Controls of both sets, DEL, the backslash (a separator elsewhere), bytes that are not UTF-8.
 * What is wrong with the character at s, or NULL; *len its bytes. */
static const char *character_wrong(const char *s, size_t *len)
{
    uint32_t cp;
    *len = nb_utf8_next(s, strnlen(s, 4), &cp, NULL);
    if (*len == 0)
        return "bytes that are not UTF-8";
    if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
        return "a control character";
    return cp == '\\' ? "a backslash" : NULL;
}

/* What is wrong with the segment s[n], or NULL. */
static const char *segment_wrong(const char *s, size_t n)
{
    if (n == 0)
        return "an empty segment";
    if (n > SEGMENT_MAX)
        return "a segment of more than 255 bytes";
    if (s[0] == '.' && (n == 1 || (n == 2 && s[1] == '.')))
        return n == 1 ? "a segment \".\"" : "a segment \"..\"";
    if (n >= 2 && s[1] == ':')
        return "a drive";
    return NULL;
}

/* A name that a shell or a program takes for an option or a home folder. */
static const char *start_wrong(const char *path)
{
    if (path[0] == '/')
        return "a leading slash";
    if (path[0] == '~')
        return "a leading tilde";
    return path[0] == '-' ? "a leading dash" : NULL;
}

static const char *path_wrong(const char *path)
{
    if (strnlen(path, PATH_LEN_MAX + 1) > PATH_LEN_MAX)
        return "more than 1000 bytes";
    const char *wrong = start_wrong(path);
    for (size_t i = 0, len; path[i] && !wrong; i += len)
        wrong = character_wrong(path + i, &len);
    for (const char *at = path; !wrong; at++) {
        size_t n = strcspn(at, "/");
        wrong = segment_wrong(at, n);
        at += n;
        if (*at == '\0')
            break;
    }
    return wrong;
}

nb_status dl_path_ok(const char *path, nb_err *err)
{
    const char *wrong = path_wrong(path);
    return wrong ? nb_fail(err, NB_REFUSED, "file name \"%.100s\" has %s", path, wrong) : NB_OK;
}

/* What git allows in a ref (git-check-ref-format), less what is no safe path. A commit passes. */
bool dl_revision_ok(const char *s)
{
    size_t n = strlen(s);
    if (n >= sizeof((dl_name *)0)->revision || path_wrong(s) || strpbrk(s, " ~^:?*[") ||
        strstr(s, "..") || strstr(s, "@{") || strcmp(s, "@") == 0 || s[n - 1] == '.')
        return false;
    for (const char *at = s; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL) {
        size_t len = strcspn(at, "/");
        if (at[0] == '.' || (len >= 5 && memcmp(at + len - 5, ".lock", 5) == 0))
            return false;
    }
    return true;
}

nb_status dl_name_parse(dl_name *out, const char *text, nb_err *err)
{
    dl_name name = {.revision = "main"};
    size_t n = strcspn(text, "@:");
    if (!repo_ok(text, n))
        return nb_fail(err, NB_USAGE, "\"%.100s\": expected ORG/REPO[@REVISION][:TAG or FILE]",
                       text);
    memcpy(name.repo, text, n);
    const char *rest = text + n;
    if (*rest == '@') {
        size_t len = strcspn(++rest, ":");
        snprintf(name.revision, sizeof name.revision, "%.*s", (int)(len < 4096 ? len : 4096), rest);
        if (len >= sizeof name.revision || !dl_revision_ok(name.revision))
            return nb_fail(err, NB_USAGE, "%s: revision \"%.100s\" is no branch, tag or commit",
                           name.repo, rest);
        rest += len;
    }
    if (*rest == ':') {
        const char *wrong = path_wrong(++rest);
        if (wrong)
            return nb_fail(err, NB_USAGE, "%s: tag or file \"%.100s\" has %s", name.repo, rest,
                           wrong);
        snprintf(name.tag, sizeof name.tag, "%s", rest);
    }
    *out = name;
    return NB_OK;
}
