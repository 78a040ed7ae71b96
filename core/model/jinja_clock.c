/* strftime_now: the given clock in the C locale's words, as datetime.now().strftime. */
#include "core/model/jinja_vm.h"

#include <stdio.h>
#include <string.h>

static int day_of_year(const nb_jinja_clock *t)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    bool leap = t->year % 4 == 0 && (t->year % 100 != 0 || t->year % 400 == 0);
    return before[(t->month + 11) % 12] + t->day + (leap && t->month > 2);
}

/* 0 = Sunday; Sakamoto's method. */
static int day_of_week(const nb_jinja_clock *t)
{
    static const int shift_of[] = {0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4};
    int y = t->year - (t->month < 3);
    int d = (y + y / 4 - y / 100 + y / 400 + shift_of[(t->month + 11) % 12] + t->day) % 7;
    return d < 0 ? d + 7 : d;
}

/* One conversion of strftime in the C locale; false: none of that letter. */
static bool clock_field(const nb_jinja_clock *t, char letter, bool bare, char out[32])
{
    static const char months[] =
        "January\0\0\0February\0\0March\0\0\0\0\0April\0\0\0\0\0May\0\0\0\0\0\0\0"
        "June\0\0\0\0\0\0July\0\0\0\0\0\0August\0\0\0\0September\0October\0\0\0"
        "November\0\0December\0";
    static const char days[] = "Sunday\0\0\0\0Monday\0\0\0\0Tuesday\0\0\0Wednesday\0Thursday\0\0"
                               "Friday\0\0\0\0Saturday";
    const char *month = months + 10 * ((t->month + 11) % 12), *day = days + 10 * day_of_week(t);
    int hour12 = t->hour % 12 ? t->hour % 12 : 12;
    const struct {
        char letter;
        int v, width;
    } numbers[] = {{'Y', t->year, 4},
                   {'m', t->month, 2},
                   {'d', t->day, 2},
                   {'H', t->hour, 2},
                   {'I', hour12, 2},
                   {'M', t->minute, 2},
                   {'S', t->second, 2},
                   {'y', t->year % 100, 2},
                   {'j', day_of_year(t), 3},
                   {'w', day_of_week(t), 1},
                   {'u', day_of_week(t) ? day_of_week(t) : 7, 1},
                   {'f', 0, 6}};
    for (size_t i = 0; i < countof(numbers); i++)
        if (numbers[i].letter == letter) {
            snprintf(out, 32, "%0*d", bare ? 1 : numbers[i].width, numbers[i].v);
            return true;
        }
    if (letter == 'e')
        snprintf(out, 32, bare ? "%d" : "%2d", t->day);
    else if (letter == 'B' || letter == 'b' || letter == 'h')
        snprintf(out, 32, "%.*s", letter == 'B' ? 9 : 3, month);
    else if (letter == 'A' || letter == 'a')
        snprintf(out, 32, "%.*s", letter == 'A' ? 9 : 3, day);
    else if (letter == 'p')
        snprintf(out, 32, "%s", t->hour < 12 ? "AM" : "PM");
    else if (letter == 'F')
        snprintf(out, 32, "%04d-%02d-%02d", t->year, t->month, t->day);
    else if (letter == 'T')
        snprintf(out, 32, "%02d:%02d:%02d", t->hour, t->minute, t->second);
    else if (letter == 'D')
        snprintf(out, 32, "%02d/%02d/%02d", t->month, t->day, t->year % 100);
    else if (letter == 'R')
        snprintf(out, 32, "%02d:%02d", t->hour, t->minute);
    else if (letter == 'c')
        snprintf(out, 32, "%.3s %.3s %2d %02d:%02d:%02d %d", day, month, t->day, t->hour, t->minute,
                 t->second, t->year);
    else if (letter && strchr("%nt", letter))
        snprintf(out, 32, "%c", letter == '%' ? '%' : letter == 'n' ? '\n' : '\t');
    else
        out[0] = '\0';
    return out[0] || letter == 'z' || letter == 'Z'; /* a time without a zone, as datetime.now() */
}

nb_status nb_jclock_strftime(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    const nb_jv *format = &c->arg[0];
    size_t start = vm->n_out;
    char text[32];
    NB_TRY(nb_jarg_str(vm, format));
    for (size_t i = 0; i < format->len; i++) {
        nb_jv one = nb_jv_part(*format, i, 1);
        bool bare = i + 2 < format->len && format->at[i + 1] == '-';
        size_t letter = i + 1 + bare;
        if (*one.at != '%' || letter >= format->len) {
            NB_TRY(nb_jvm_put_str(vm, &one));
            continue;
        }
        if (!clock_field(vm->now, format->at[letter], bare, text))
            return nb_jvm_fail(vm, NB_UNSUPPORTED, "strftime_now: no conversion %%%.*s",
                               (int)(letter - i), format->at + i + 1);
        NB_TRY(nb_jvm_put(vm, text, strlen(text), one.mark && one.mark[0]));
        i = letter;
    }
    return nb_jvm_text(vm, start, out);
}
